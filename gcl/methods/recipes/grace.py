"""GRACE: deep graph contrastive representation learning."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.losses import InfoNCE
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import node_contrast, uniform_view, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with


@recorded()
@trained_with(lr=5e-4)
def grace(
    data: Data,
    *,
    hidden: int = 128,
    proj: int = 128,
    tau: float = 0.4,
    drop_edge: tuple[float, float] = (0.2, 0.4),
    mask_feature: tuple[float, float] = (0.3, 0.4),
    act: str = "relu",
    num_layers: int = 2,
    norm: str | None = None,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
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
        drop_edge: probability that an edge is dropped, first and second view.
        mask_feature: probability that a feature column is zeroed, first and second view.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        norm: normalisation before each activation of encoder and head, by PyG's name, such as
            "batch"; the authors have none.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Raises:
        ValueError: an option out of range.

    Reference:
        Zhu et al., "Deep Graph Contrastive Representation Learning", ICML workshop GRL+, 2020.

    Example:
        >>> import gcl
        >>> method = grace(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    views = [
        uniform_view(*rates, undirected, encoder)
        for rates in view_rates("grace", drop_edge, mask_feature)
    ]
    return node_contrast(
        "grace",
        data,
        views,
        InfoNCE(tau),
        hidden=hidden,
        proj=proj,
        act=act,
        num_layers=num_layers,
        normalize=normalize,
        encoder=encoder,
        norm=norm,
    )
