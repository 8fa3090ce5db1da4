"""Graph Barlow Twins."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.checks import check_count
from gcl.losses import BarlowTwins
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with


@recorded()
@trained_with(lr=5e-4, optimizer="AdamW", warmup=20)
def gbt(
    data: Data,
    *,
    hidden: int = 256,
    drop_edge: float = 0.5,
    mask_feature: float = 0.1,
    lam: float | None = None,
    act: str = "prelu",
    num_layers: int = 2,
    norm: str | None = "batch",
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """Graph Barlow Twins: decorrelated embedding columns, no negatives, no projector, O(N) memory.

    Width and rates default to the published ones for WikiCS; the authors train with AdamW,
    `weight_decay=1e-5`, 100 warm-up epochs and a cosine schedule over 1000 epochs.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        drop_edge: probability that an edge is dropped, in both views.
        mask_feature: probability that a feature column is zeroed, in both views.
        lam: weight of the off-diagonal correlations; 1/hidden if None.
        act: activation after the first layer, by PyG's name.
        num_layers: layers of the encoder; norm and activation after all but the last.
        norm: normalisation, by PyG's name: "batch", "layer", or None.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Bielak, Kajdanowicz and Chawla, "Graph Barlow Twins: A self-supervised representation
        learning framework for graphs", Knowledge-Based Systems 2022.

    Example:
        >>> import gcl
        >>> method = gbt(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    check_count("gbt", hidden=hidden)
    network = encoder_of(
        "gbt",
        data,
        encoder,
        2 * hidden,
        hidden,
        num_layers=num_layers,
        act=act,
        norm=norm,
        norm_kwargs={"momentum": 0.01} if norm == "batch" else None,
        plain_last=True,
    )
    view = uniform_view(drop_edge, mask_feature, undirected, encoder)
    prepare = preparation(normalize, encoder)
    return TwoView(network, (view, view), BarlowTwins(lam), prepare=prepare)
