"""CCA-SSG: canonical correlation analysis of two views."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.graphs.kinds import input_width
from gcl.losses import CCASSG
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.methods.two_view import TwoView
from gcl.nn import MLPEncoder
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=50, weight_decay=0.0)
def cca_ssg(
    data: Data,
    *,
    hidden: int = 512,
    drop_edge: float = 0.4,
    mask_feature: float = 0.1,
    lam: float = 1e-3,
    act: str = "relu",
    num_layers: int = 2,
    mlp: bool = False,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """CCA-SSG: columns of two views correlate with each other and with no other column; O(n d^2).

    No negatives, no projector, no second encoder. The defaults are the authors' for Cora; they
    train `epochs=50, lr=1e-3, weight_decay=0` there and drop the two directions of an edge
    independently (`undirected=False`); here they go together by default.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of every layer and of the embeddings.
        drop_edge: probability that an edge is dropped, in both views.
        mask_feature: probability that a feature column is zeroed, in both views.
        lam: weight of the decorrelation, > 0.
        act: activation between layers, by PyG's name; the last layer is linear.
        num_layers: layers of the GCN.
        mlp: read features only, by a network of two layers with a batch norm between, as the
            authors do on Coauthor-CS.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Zhang et al., "From Canonical Correlation Analysis to Self-supervised Graph Neural
        Networks", NeurIPS 2021.

    Example:
        >>> import gcl
        >>> method = cca_ssg(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    view = uniform_view(drop_edge, mask_feature, undirected, encoder)
    prepare = preparation(normalize, encoder)
    if encoder is None and mlp:
        width = input_width("cca_ssg", data, None)
        encoder = MLPEncoder(width, (hidden,), hidden, norm="batch")
    norm = "batch" if mlp else None
    network = encoder_of(
        "cca_ssg",
        data,
        encoder,
        hidden,
        num_layers=num_layers,
        act=act,
        norm=norm,
        plain_last=True,
    )
    return TwoView(network, (view, view), CCASSG(lam), prepare=prepare)
