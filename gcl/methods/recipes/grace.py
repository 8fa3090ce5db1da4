"""GRACE: deep graph contrastive representation learning."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.contracts import Encoder
from gcl.losses import InfoNCE, MetaNodeNegatives, PairwiseViews, PolyView
from gcl.losses.softmax import Negatives
from gcl.methods.recipes.node_frame import (
    node_contrast,
    several_views,
    temperature,
    uniform_view,
    view_rates,
)
from gcl.methods.two_view import TwoView


def grace(
    data: Data,
    *,
    hidden: int = 128,
    proj: int = 128,
    tau: float = 0.4,
    macl: float = 0.0,
    num_views: int = 2,
    drop_edge: tuple[float, float] = (0.2, 0.4),
    mask_feature: tuple[float, float] = (0.3, 0.4),
    act: str = "relu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    meta_nodes: int = 0,
    negatives: Negatives | None = None,
    encoder: Encoder | None = None,
) -> TwoView:
    """GRACE: two views by dropping edges and masking feature columns, contrasted node by node.

    The defaults are the authors' for Cora. Their code trains `epochs=200, lr=5e-4,
    weight_decay=1e-5` there and drops the two directions of an edge independently
    (`undirected=False`); here they go together by default.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        macl: strength alpha of MACL's temperature, which grows with the alignment of the views,
            in [0, 1]; 0 keeps tau.
        num_views: views a step, >= 2, drawn by the two rates in turn; more than two are contrasted
            by `gcl.losses.PolyView`, with meta-nodes or other negatives pair by pair.
        drop_edge: probability that an edge is dropped, first and second view.
        mask_feature: probability that a feature column is zeroed, first and second view.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum, as the authors do.
        meta_nodes: clusters K that stand in for the nodes as negatives, for a cost linear in the
            number of nodes: short for `negatives=MetaNodeNegatives(K)`. 0 sums exactly.
        negatives: which nodes are negatives, or how they are summed; all others exactly if None.
        encoder: replaces the GCN; needs `out_channels`.

    Raises:
        ValueError: an option out of range; both meta_nodes and negatives.

    Reference:
        Zhu et al., "Deep Graph Contrastive Representation Learning", ICML workshop GRL+, 2020.

    Example:
        >>> import gcl
        >>> method = grace(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    if meta_nodes and negatives is not None:
        raise ValueError("grace: give either meta_nodes or negatives, not both.")
    views = [
        uniform_view(*rates, undirected, encoder is None)
        for rates in view_rates("grace", drop_edge, mask_feature)
    ]
    if meta_nodes:
        negatives = MetaNodeNegatives(meta_nodes)
    tau_ = temperature(tau, macl)
    two = InfoNCE(tau_, negatives=negatives)
    views, loss = several_views(
        "grace",
        views,
        num_views,
        two,
        PolyView(tau_) if negatives is None else PairwiseViews(two),
    )
    return node_contrast(
        data,
        views,
        loss,
        hidden=hidden,
        proj=proj,
        act=act,
        num_layers=num_layers,
        normalize=normalize,
        encoder=encoder,
    )
