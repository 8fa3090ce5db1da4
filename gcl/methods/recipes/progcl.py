"""ProGCL: GCA with negatives weighted by a mixture model."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from gcl.contracts import Transform
from gcl.losses.progcl import ProGCL
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import (
    adaptive_view,
    node_contrast,
    uniform_view,
    view_rates,
)
from gcl.methods.recipes.row_frame import EncoderChoice
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with
from gcl.transforms import AddCentrality


@recorded()
@trained_with(lr=5e-4)
def progcl(
    data: Data,
    *,
    hidden: int = 256,
    proj: int = 256,
    tau: float = 0.4,
    drop_edge: tuple[float, float] = (0.2, 0.3),
    mask_feature: tuple[float, float] = (0.1, 0.1),
    centrality: Literal["degree", "pagerank", "eigenvector", "none"] = "eigenvector",
    p_max: float = 0.7,
    t0: int = 400,
    share: float = 0.05,
    columns: int = 100,
    act: str = "prelu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """ProGCL: GCA whose hard negatives weigh more, as far as they are true ones.

    From step t0 on a mixture of two beta distributions, fitted once to the similarities, tells
    false negatives from true ones; the weights are made tile by tile from its five numbers. The
    defaults are the authors' for WikiCS; they train `epochs=3000, lr=0.01, weight_decay=1e-5`
    there and drop the two directions of an edge independently (`undirected=False`); here they go
    together by default. `t0` counts steps, which on a full graph are epochs.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        drop_edge: mean probability that an edge is dropped, first and second view.
        mask_feature: mean probability that a feature column is zeroed, first and second view.
        centrality: "degree", "pagerank" or "eigenvector" as in GCA; "none" for GRACE's uniform
            rates.
        p_max: largest probability of either, in [0, 1].
        t0: steps of plain InfoNCE before the mixture is fitted.
        share: of false negatives at the start of the fit, in (0, 1).
        columns: nodes whose similarities are fitted, >= 1.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Xia et al., "ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning", ICML
        2022, the weighting variant.

    Example:
        >>> import gcl
        >>> method = progcl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    rates = view_rates("progcl", drop_edge, mask_feature)
    views: list[Transform] = [uniform_view(*pair, undirected, encoder) for pair in rates]
    whole_graph: list[BaseTransform] = []
    if centrality != "none":
        whole_graph.append(AddCentrality(centrality))
        views = [adaptive_view(*pair, p_max, undirected, encoder) for pair in rates]
    return node_contrast(
        "progcl",
        data,
        views,
        ProGCL(tau, t0=t0, share=share, columns=columns),
        hidden=hidden,
        proj=proj,
        act=act,
        num_layers=num_layers,
        normalize=normalize,
        encoder=encoder,
        whole_graph=whole_graph,
    )
