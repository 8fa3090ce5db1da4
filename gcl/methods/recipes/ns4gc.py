"""NS4GC: clustering by a similarity matrix that is sparse but for neighbours."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.losses import NS4GC
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.methods.two_view import TwoView
from gcl.nn import UnitRows
from gcl.training.settings import trained_with
from gcl.transforms import AddNeighborPositives


@recorded()
@trained_with(epochs=200, lr=1e-3, weight_decay=1e-5)
def ns4gc(
    data: Data,
    *,
    hidden: int = 256,
    dim: int = 64,
    threshold: float = 0.6,
    tau: float = 0.1,
    lam: float = 1.0,
    gam: float = 1.0,
    drop_edge: tuple[float, float] = (0.3, 0.3),
    mask_feature: tuple[float, float] = (0.2, 0.2),
    act: str = "selu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = False,
    encoder: EncoderChoice = None,
) -> TwoView:
    """NS4GC: a node agrees with itself and its neighbours, and is unlike all others.

    Made for clustering: k-means on the embeddings, which have length 1. No projector; the
    neighbours are those of the graph, not of the views. Every pair of nodes is visited, in
    O(n d + e) memory. The defaults are the authors' for Cora; they train `epochs=200, lr=1e-3,
    weight_decay=1e-5` there.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the layers before the last.
        dim: width of the embeddings.
        threshold: similarity from which on nodes that are no neighbours repel each other.
        tau: softness of the threshold, > 0.
        lam: weight of the neighbours, >= 0.
        gam: weight of the pairs that are no neighbours, >= 0.
        drop_edge: probability that an edge is dropped, first and second view.
        mask_feature: probability that a feature column is zeroed, first and second view.
        act: activation between layers, by PyG's name; the last layer is linear.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`. Rows of any are scaled to
            length 1.

    Reference:
        Liu et al., "Reliable Node Similarity Matrix Guided Contrastive Graph Clustering", TKDE
        2024, arXiv 2408.03765.

    Example:
        >>> import gcl
        >>> method = ns4gc(gcl.datasets.load("karate"), hidden=16, dim=8)
        >>> gcl.embed(method, gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    rates = view_rates("ns4gc", drop_edge, mask_feature)
    network = encoder_of(
        "ns4gc", data, encoder, hidden, dim, num_layers=num_layers, act=act, plain_last=True
    )
    return TwoView(
        UnitRows(network),
        [uniform_view(*pair, undirected, encoder) for pair in rates],
        NS4GC(threshold, tau, lam=lam, gam=gam),
        prepare=preparation(normalize, encoder, AddNeighborPositives()),
    )
