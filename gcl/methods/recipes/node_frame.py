"""What node-level recipes share: preparation, uniform views, and GRACE's frame around a loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.contracts import Encoder, Loss, Transform
from gcl.graphs.kinds import input_width
from gcl.methods.two_view import TwoView
from gcl.nn import GCNEncoder, projector
from gcl.transforms import NormalizeRows, ToSparseFeatures


def view_rates(
    recipe: str, drop_edge: Sequence[float], mask_feature: Sequence[float]
) -> list[tuple[float, float]]:
    """The rates by view: `[(edges, features), (edges, features)]`.

    Raises:
        ValueError: not two rates each.
    """
    for name, rates in (("drop_edge", drop_edge), ("mask_feature", mask_feature)):
        if not isinstance(rates, tuple | list) or len(rates) != 2:
            raise ValueError(f"{recipe}: {name} must be two rates, one a view, got {rates!r}.")
    return list(zip(drop_edge, mask_feature, strict=True))


def preparation(normalize: bool, sparse: bool, *further: Transform) -> Compose:
    """Transforms of the whole graph.

    Args:
        normalize: divide every row of features by its sum.
        sparse: store features that are mostly zero as a sparse matrix, for the encoders here.
        further: applied between the two.
    """
    first: list[Transform] = [NormalizeRows()] if normalize else []
    return Compose([*first, *further, *([ToSparseFeatures()] if sparse else [])])


def uniform_view(p_edge: float, p_feature: float, undirected: bool, as_weight: bool) -> Compose:
    """GRACE's view: edges dropped and feature columns masked, each at one rate.

    Args:
        p_edge: probability that an edge is dropped.
        p_feature: probability that a feature column is zeroed.
        undirected: drop both directions of an undirected edge together.
        as_weight: zero the weights of dropped edges, for encoders that honour weights.
    """
    return Compose(
        [
            EdgeDropping(p_edge, undirected=undirected, as_weight=as_weight),
            FeatureMasking(p_feature),
        ]
    )


def adaptive_view(
    p_edge: float, p_feature: float, p_max: float, undirected: bool, as_weight: bool
) -> Compose:
    """GCA's view: rates by the importance that `AddCentrality` wrote, at most p_max.

    Args:
        p_edge: mean probability that an edge is dropped.
        p_feature: mean probability that a feature column is zeroed.
        p_max: largest probability of either.
        undirected: drop both directions of an undirected edge together.
        as_weight: zero the weights of dropped edges, for encoders that honour weights.
    """
    return Compose(
        [
            EdgeDropping(p_edge, "edge_importance", p_max, undirected, as_weight),
            FeatureMasking(p_feature, "feature_importance", p_max),
        ]
    )


def node_contrast(
    recipe: str,
    data: Data,
    views: Sequence[Transform],
    loss: Loss,
    *,
    hidden: int,
    proj: int,
    act: str,
    num_layers: int,
    normalize: bool,
    encoder: Encoder | None,
    whole_graph: Sequence[Transform] = (),
) -> TwoView:
    """A GCN under a projection head, two views contrasted node by node.

    Without an `encoder`, the GCN here honours edge weights: its views may zero the weights of
    dropped edges and so keep the sorted edge list. Another encoder may ignore weights and needs
    lists without those edges.

    Args:
        recipe: its name, for messages.
        data: gives the number of features; nothing else of it is read.
        views: two transforms, or as many as the loss compares.
        loss: of two matrices of projections.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN.
        whole_graph: transforms of the whole graph, applied after normalisation.
    """
    width = input_width(recipe, data, encoder)
    prepare = preparation(normalize, encoder is None, *whole_graph)
    if encoder is None:
        encoder = GCNEncoder(width, 2 * hidden, hidden, num_layers=num_layers, act=act)
    return TwoView(
        encoder,
        tuple(views),
        loss,
        projector=projector(encoder.out_channels, proj, inner_products=True),
        prepare=prepare,
    )
