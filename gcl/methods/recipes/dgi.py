"""DGI: deep graph infomax."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.augment import FeatureShuffling
from gcl.methods.infomax import BilinearScore, Infomax, sigmoid_mean
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=10_000, weight_decay=0.0, patience=20)
def dgi(
    data: Data,
    *,
    hidden: int = 512,
    act: str = "prelu",
    num_layers: int = 1,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> Infomax:
    """DGI: nodes of the graph against nodes with shuffled features, seen from the graph's summary.

    The defaults are the authors' for Cora and CiteSeer. Their code trains `epochs=10000, lr=1e-3,
    weight_decay=0` with early stopping on the training loss (patience 20) and keeps the best
    weights; here the number of epochs is given.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Veličković et al., "Deep Graph Infomax", ICLR 2019.

    Example:
        >>> import gcl
        >>> method = dgi(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    network = encoder_of("dgi", data, encoder, hidden, num_layers=num_layers, act=act)
    return Infomax(
        network,
        FeatureShuffling(),
        BilinearScore(network.out_channels),
        readout=sigmoid_mean,
        prepare=preparation(normalize, encoder),
    )
