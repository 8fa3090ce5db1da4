"""GraphMAE: masked features of nodes, told from their neighbours."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GAT

from gcl.checks import check_choice, check_count, check_fraction
from gcl.contracts import Encoder
from gcl.graphs.kinds import input_width
from gcl.losses import ScaledCosineError
from gcl.methods.made import recorded
from gcl.methods.masked import Masked
from gcl.methods.recipes.node_frame import preparation
from gcl.nn import GCNEncoder
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=1500, lr=1e-3, weight_decay=2e-4, warmup=0)
def graphmae(
    data: Data,
    *,
    hidden: int = 512,
    num_layers: int = 2,
    gnn: Literal["gcn", "gat"] = "gcn",
    heads: int = 4,
    mask_rate: float = 0.5,
    replace_rate: float = 0.05,
    gamma: float = 3.0,
    dropout: float = 0.2,
    normalize: bool = True,
    encoder: Encoder | None = None,
) -> Masked:
    """GraphMAE: features of masked nodes are told from their neighbours; O(e d + n f), no pairs.

    The defaults are the authors' for Cora but for the network: theirs is `gnn="gat"`. They train
    `epochs=1500, lr=1e-3, weight_decay=2e-4` there with a cosine schedule from the start
    (`warmup=0`).

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of every layer and of the embeddings.
        num_layers: layers of the encoder; the decoder has one.
        gnn: "gcn" or "gat", of encoder and decoder.
        heads: of "gat"; they share the width.
        mask_rate: share of the nodes whose features are masked.
        replace_rate: share of the masked ones that gets other nodes' features, not the token.
        gamma: sharpness of the scaled cosine error, >= 1.
        dropout: of the input of every layer of "gcn"; of "gat" behind its layers and of attention.
        normalize: divide every row of features by its sum.
        encoder: replaces the encoder; needs `out_channels`.

    Reference:
        Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022. PyG's GAT has
        one rate of dropout for features and attention, where theirs are 0.2 and 0.1.

    Example:
        >>> import gcl
        >>> method = graphmae(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    input_width("graphmae", data, encoder)
    features = input_width("graphmae", data, None)
    check_choice("graphmae", "gnn", gnn, ("gcn", "gat"))
    check_count("graphmae", hidden=hidden, heads=heads)
    check_fraction("graphmae", dropout=dropout)

    def network(inside: int, width: int, layers: int, act: str | None = None) -> Encoder:
        if gnn == "gat":
            share = heads if width % heads == 0 else 1
            return GAT(inside, width, layers, heads=share, dropout=dropout, act=nn.PReLU())
        return GCNEncoder(inside, width, num_layers=layers, act=act, dropout=dropout)

    encoder = network(features, hidden, num_layers, "prelu") if encoder is None else encoder
    return Masked(
        encoder,
        network(encoder.out_channels, features, 1),
        mask_rate=mask_rate,
        replace_rate=replace_rate,
        loss=ScaledCosineError(gamma),
        prepare=preparation(normalize, encoder),
    )
