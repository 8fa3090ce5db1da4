"""COSTA: covariance-preserving feature augmentation."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from gcl.contracts import Transform
from gcl.losses import InfoNCE
from gcl.losses.sketched import Sketched
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.methods.two_view import TwoView
from gcl.nn import projector
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=700, lr=1e-4, weight_decay=0.0)
def costa(
    data: Data,
    *,
    hidden: int = 256,
    proj: int = 256,
    tau: float = 0.4,
    ratio: float = 0.5,
    drop_edge: tuple[float, float] = (0.2, 0.4),
    mask_feature: tuple[float, float] = (0.3, 0.4),
    sketch: Literal["gaussian", "sign"] = "gaussian",
    density: float = 0.01,
    single_view: bool = False,
    act: str = "relu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """COSTA: GRACE's views, contrasted by random mixtures of nodes instead of by nodes.

    The mixtures keep inner products of the columns of the embeddings on average and are fewer than
    the nodes, so that the contrast costs `ratio^2` of GRACE's; negatives are those of the other
    view. The defaults are the authors' for Cora; they train `epochs=700, lr=1e-4, weight_decay=0`
    there and drop the two directions of an edge independently (`undirected=False`); here they go
    together by default.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of every layer and of the embeddings.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        ratio: mixtures a node, in (0, 1].
        drop_edge: probability that an edge is dropped, first and second view.
        mask_feature: probability that a feature column is zeroed, first and second view.
        sketch: "gaussian", or "sign" with few entries: faster on large graphs.
        density: share of entries of the "sign" sketch, in (0, 1].
        single_view: no views of the graph: two sketches of the same embeddings (COSTA-SV).
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Zhang et al., "COSTA: Covariance-Preserving Feature Augmentation for Graph Contrastive
        Learning", KDD 2022. Their code masks the features of the second view at the rate of the
        first; here each view has its own.

    Example:
        >>> import gcl
        >>> method = costa(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    network = encoder_of("costa", data, encoder, hidden, num_layers=num_layers, act=act)
    rates = view_rates("costa", drop_edge, mask_feature)
    views: list[Transform] = [uniform_view(*pair, undirected, encoder) for pair in rates]
    if single_view:
        views = [Compose([]), Compose([])]
    loss = Sketched(
        InfoNCE(tau, intra=False),
        projector(network.out_channels, proj, inner_products=True),
        ratio=ratio,
        sketch=sketch,
        density=density,
        shared=not single_view,
    )
    return TwoView(network, views, loss, prepare=preparation(normalize, encoder))
