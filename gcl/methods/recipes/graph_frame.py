"""What the graph-level recipes share: the width of the features, the encoder, the readout."""

from __future__ import annotations

from typing import Any

from torch_geometric.nn import MLP

from gcl.contracts import Encoder
from gcl.graphs.kinds import input_width_of_graphs
from gcl.nn.gin_encoder import GINEncoder


def gin(recipe: str, data: Any, hidden: int, num_layers: int, encoder: Encoder | None) -> Encoder:
    """The encoder given, or a GIN for the features of a graph, a batch or a set of graphs."""
    width = input_width_of_graphs(recipe, data, encoder)
    return GINEncoder(width, hidden, num_layers) if encoder is None else encoder


def graph_head(width: int) -> MLP:
    """GraphCL's projection head `Linear -> ReLU -> Linear`."""
    return MLP([width, width, width], act="relu", norm=None)
