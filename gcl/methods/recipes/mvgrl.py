"""MVGRL: contrast of nodes and summaries across two structural views."""

from __future__ import annotations

import copy

from torch_geometric.data import Data

from gcl.augment import FeatureShuffling
from gcl.contracts import Encoder
from gcl.graphs.kinds import input_width
from gcl.methods.infomax import BilinearScore, Infomax, sigmoid_mean
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation
from gcl.nn import GCNEncoder
from gcl.training.settings import trained_with
from gcl.transforms.add_diffusion import AddDiffusion


@recorded()
@trained_with(epochs=500, weight_decay=0.0, patience=20)
def mvgrl(
    data: Data,
    *,
    hidden: int = 512,
    alpha: float = 0.2,
    topk: int = 64,
    act: str = "prelu",
    num_layers: int = 1,
    normalize: bool = True,
    encoder: Encoder | None = None,
) -> Infomax:
    """MVGRL: nodes of the graph against the summary of its diffusion, and the other way round.

    Two encoders, one on the edges, one on personalised PageRank, which is computed once and
    keeps the `topk` largest weights of each node. The embedding is the sum of both. Width and
    alpha are the authors', who train `epochs=3000, lr=1e-3, weight_decay=0` with early stopping on
    the training loss (patience 20), on blocks of 2000 nodes; here on the whole graph.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings.
        alpha: probability to teleport back, in (0, 1].
        topk: neighbours that a node keeps in the diffusion, >= 1.
        act: activation of the encoders, by PyG's name.
        num_layers: layers of the encoders.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN of both sides (a copy of it, reset where it can be, for the
            diffusion); needs `out_channels`.

    Reference:
        Hassani and Khasahmadi, "Contrastive Multi-View Representation Learning on Graphs", ICML
        2020. Their diffusion is the dense inverse, unnormalised; their adjacency has the identity
        twice. Here both encoders are GCNs, so that the diffusion too is scaled by its degrees,
        which makes up for the weights that were cut off.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = mvgrl(data, hidden=8, topk=5)
        >>> gcl.embed(method, data).shape
        torch.Size([34, 8])
    """
    num_features = input_width("mvgrl", data, encoder)
    prepare = preparation(normalize, encoder, AddDiffusion(alpha, topk))
    if encoder is None:
        encoder = GCNEncoder(num_features, hidden, num_layers=num_layers, act=act)
    across = copy.deepcopy(encoder)
    reset = getattr(across, "reset_parameters", None)
    if callable(reset):
        reset()
    return Infomax(
        encoder,
        FeatureShuffling(),
        BilinearScore(encoder.out_channels),
        readout=sigmoid_mean,
        across=across,
        prepare=prepare,
    )
