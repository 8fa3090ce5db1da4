"""SUGRL: simple unsupervised graph representation learning."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.contracts import Encoder
from gcl.graphs.kinds import input_width
from gcl.losses import SUGRL
from gcl.methods.made import recorded
from gcl.methods.neighbor_triplets import NeighborTriplets
from gcl.methods.recipes.node_frame import preparation
from gcl.nn import MLPEncoder
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=500, lr=5e-3, weight_decay=5e-5)
def sugrl(
    data: Data,
    *,
    hidden: tuple[int, ...] = (512,),
    dim: int = 128,
    m1: float = 0.8,
    m2: float = 0.2,
    w1: float = 10.0,
    w2: float = 10.0,
    w3: float = 1.0,
    num_negatives: int = 4,
    num_neighbors: int = 5,
    input_dropout: float = 0.3,
    dropout: float = 0.2,
    normalize: bool = True,
    encoder: Encoder | None = None,
) -> NeighborTriplets:
    """SUGRL: an MLP whose nodes stay closer to their surroundings than to other nodes.

    The defaults are the authors' for Cora, where they train `epochs=500, lr=5e-3,
    weight_decay=5e-5`; the weights of the MLP start by Glorot's rule, as theirs.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: widths of the MLP before the embedding; () for a single layer (CiteSeer).
        dim: width of the embeddings.
        m1: margin between positives and negatives, > 0.
        m2: further distance that a negative may have, > 0.
        w1: weight of the structural positive, >= 0.
        w2: weight of the drawn neighbours, >= 0.
        w3: weight of the upper bound, >= 0; its sum is over nodes, not a mean.
        num_negatives: negatives an anchor, >= 1.
        num_neighbors: draws of the second positive, >= 1.
        input_dropout: of the features, in [0, 1).
        dropout: of the embeddings in the structural positive, in [0, 1).
        normalize: divide every row of features by its sum.
        encoder: replaces the MLP; needs `out_channels`.

    Reference:
        Mo et al., "Simple Unsupervised Graph Representation Learning", AAAI 2022.

    Example:
        >>> import gcl
        >>> method = sugrl(gcl.datasets.load("karate"), hidden=(16,), dim=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    num_features = input_width("sugrl", data, encoder)
    prepare = preparation(normalize, encoder)
    if encoder is None:
        encoder = MLPEncoder(num_features, hidden, dim, init="glorot")
    loss = SUGRL(m1=m1, m2=m2, w1=w1, w2=w2, w3=w3, num_negatives=num_negatives)
    return NeighborTriplets(
        encoder,
        loss,
        num_neighbors=num_neighbors,
        input_dropout=input_dropout,
        dropout=dropout,
        prepare=prepare,
    )
