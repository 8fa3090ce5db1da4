"""VICReg on graphs."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.nn import MLP

from gcl.checks import check_count, check_fraction
from gcl.losses import VICReg
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=300, lr=5e-4, optimizer="AdamW")
def vicreg(
    data: Data,
    *,
    hidden: int = 256,
    proj: int = 256,
    sim: float = 25.0,
    var: float = 25.0,
    cov: float = 1.0,
    drop_edge: float = 0.5,
    mask_feature: float = 0.2,
    norm: str | None = "batch",
    norm_momentum: float = 0.01,
    act: str = "prelu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """VICReg: views agree, columns keep their variance and do not correlate; no negatives.

        L = sim mean( (h1 - h2)^2 ) + var mean relu( 1 - std(h) ) + cov sum_{a != b} Cov_ab(h)^2 / d

    see `gcl.losses.VICReg`; O(n d^2). The paper is about images. Encoder, rates and training are
    those of graphssl 0.2.0, which are tuned for no graph: AdamW, `epochs=300, lr=5e-4,
    weight_decay=1e-5`; the two directions of an edge, which drop independently there, go together
    by default.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of every GCN layer and of the embeddings.
        proj: width inside and after the projection head.
        sim: weight of the agreement, >= 0.
        var: weight of the variance, >= 0.
        cov: weight of the covariance, >= 0.
        drop_edge: probability that an edge is dropped, in both views.
        mask_feature: probability that a feature column is zeroed, in both views.
        norm: normalisation after each layer, by PyG's name: "batch", "layer", or None; that of the
            head is a batch norm in any case.
        norm_momentum: of batch norm; the share of the newest statistics, as PyTorch counts.
        act: activation after each layer, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Raises:
        TypeError, ValueError: an option out of range.

    Reference:
        Bardes, Ponce and LeCun, "VICReg: Variance-Invariance-Covariance Regularization for
        Self-Supervised Learning", ICLR 2022.

    Example:
        >>> import gcl
        >>> method = vicreg(gcl.datasets.load("karate"), hidden=8, proj=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    check_count("vicreg", proj=proj)
    check_fraction("vicreg", norm_momentum=norm_momentum)
    network = encoder_of(
        "vicreg",
        data,
        encoder,
        hidden,
        num_layers=num_layers,
        act=act,
        norm=norm,
        norm_kwargs={"momentum": norm_momentum} if norm == "batch" else None,
    )
    view = uniform_view(drop_edge, mask_feature, undirected, encoder)
    head = MLP([network.out_channels, proj, proj], act="relu", norm="batch")
    prepare = preparation(normalize, encoder)
    return TwoView(network, (view, view), VICReg(sim, var, cov), head, prepare=prepare)
