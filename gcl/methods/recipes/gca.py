"""GCA: graph contrastive learning with adaptive augmentation."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import Data

from gcl.losses import InfoNCE
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import adaptive_view, node_contrast, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with
from gcl.transforms import AddCentrality


@recorded()
@trained_with(lr=5e-4)
def gca(
    data: Data,
    *,
    hidden: int = 256,
    proj: int = 256,
    tau: float = 0.4,
    drop_edge: tuple[float, float] = (0.2, 0.3),
    mask_feature: tuple[float, float] = (0.1, 0.1),
    centrality: Literal["degree", "pagerank", "eigenvector"] = "degree",
    p_max: float = 0.7,
    act: str = "prelu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """GCA: GRACE that spares the edges and features of central nodes.

    An edge is dropped the more often the less central its target is, a feature column the less
    central nodes use it. The defaults are the authors' for WikiCS; they train `epochs=3000,
    lr=0.01, weight_decay=1e-5` there and drop the two directions of an edge independently
    (`undirected=False`); here they go together by default, at the mean of their rates.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        drop_edge: mean probability that an edge is dropped, first and second view.
        mask_feature: mean probability that a feature column is zeroed, first and second view.
        centrality: "degree", "pagerank" or "eigenvector".
        p_max: largest probability of either, in [0, 1].
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Zhu et al., "Graph Contrastive Learning with Adaptive Augmentation", WWW 2021.

    Example:
        >>> import gcl
        >>> method = gca(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    views = [
        adaptive_view(*rates, p_max, undirected, encoder)
        for rates in view_rates("gca", drop_edge, mask_feature)
    ]
    return node_contrast(
        "gca",
        data,
        views,
        InfoNCE(tau),
        hidden=hidden,
        proj=proj,
        act=act,
        num_layers=num_layers,
        normalize=normalize,
        encoder=encoder,
        whole_graph=[AddCentrality(centrality)],
    )
