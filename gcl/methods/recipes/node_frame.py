"""What node-level recipes share: preparation, uniform views, and GRACE's frame around a loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.checks import check_count
from gcl.contracts import Loss, Transform
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of, on_rows, smoothing
from gcl.methods.two_view import TwoView
from gcl.nn import projector
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


def preparation(normalize: bool, encoder: EncoderChoice, *further: Transform) -> Compose:
    """Transforms of the whole graph.

    Args:
        normalize: divide every row of features by its sum.
        encoder: as the recipe was told. For rows, features are propagated next; for the recipe's
            own encoder, they are stored as a sparse matrix at last if they are mostly zero.
        further: applied in between.
    """
    first: list[Transform] = [NormalizeRows()] if normalize else []
    last = [ToSparseFeatures()] if encoder is None else []
    return Compose([*first, *smoothing(encoder), *further, *last])


def uniform_view(
    p_edge: float, p_feature: float, undirected: bool, encoder: EncoderChoice
) -> Compose:
    """GRACE's view: edges dropped and feature columns masked, each at one rate.

    Args:
        p_edge: probability that an edge is dropped.
        p_feature: probability that a feature column is zeroed.
        undirected: drop both directions of an undirected edge together.
        encoder: as the recipe was told, see `view_of`.
    """
    return view_of(
        EdgeDropping(p_edge, undirected=undirected, as_weight=encoder is None),
        FeatureMasking(p_feature),
        encoder,
    )


def adaptive_view(
    p_edge: float, p_feature: float, p_max: float, undirected: bool, encoder: EncoderChoice
) -> Compose:
    """GCA's view: rates by the importance that `AddCentrality` wrote, at most p_max.

    Args:
        p_edge: mean probability that an edge is dropped.
        p_feature: mean probability that a feature column is zeroed.
        p_max: largest probability of either.
        undirected: drop both directions of an undirected edge together.
        encoder: as the recipe was told, see `view_of`.
    """
    return view_of(
        EdgeDropping(p_edge, "edge_importance", p_max, undirected, encoder is None),
        FeatureMasking(p_feature, "feature_importance", p_max),
        encoder,
    )


def view_of(edges: Transform, features: Transform, encoder: EncoderChoice) -> Compose:
    """A view of edges and of features.

    The recipe's own encoder honours weights, so that its views zero those of dropped edges and keep
    the list. On rows a view of the edges changes nothing, and is left out.

    Args:
        edges: what happens to edges.
        features: what happens to features.
        encoder: as the recipe was told.
    """
    return Compose([features] if on_rows(encoder) else [edges, features])


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
    encoder: EncoderChoice,
    norm: str | None = None,
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
        encoder: replaces the GCN, or says that it has no messages.
        norm: normalisation before each activation of encoder and head, by PyG's name.
        whole_graph: transforms of the whole graph, applied after normalisation and propagation.
    """
    check_count(recipe, hidden=hidden, proj=proj)
    network = encoder_of(
        recipe, data, encoder, 2 * hidden, hidden, num_layers=num_layers, act=act, norm=norm
    )
    return TwoView(
        network,
        tuple(views),
        loss,
        projector=projector(network.out_channels, proj, norm=norm, inner_products=True),
        prepare=preparation(normalize, encoder, *whole_graph),
    )
