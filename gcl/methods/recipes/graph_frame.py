"""What the graph-level recipes share: the width of the features, the encoder, the readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_geometric.data import HeteroData
from torch_geometric.nn import MLP

from gcl.contracts import Encoder
from gcl.nn.gin_encoder import GINEncoder


def gin(recipe: str, data: Any, hidden: int, num_layers: int, encoder: Encoder | None) -> Encoder:
    """The encoder given, or a GIN for the features of a graph, a batch or a set of graphs."""
    return (
        GINEncoder(num_features(recipe, data), hidden, num_layers) if encoder is None else encoder
    )


def num_features(recipe: str, data: Any) -> int:
    """Width of the features of a graph, a batch, a data set or a list of graphs.

    Raises:
        TypeError: a heterogeneous graph, or none of these.
        ValueError: there are none.
    """
    unfit = isinstance(data, HeteroData | str)
    if unfit or not (hasattr(data, "num_features") or isinstance(data, Sequence)):
        raise TypeError(
            f"{recipe}: expected a graph, a batch, a data set or a list of graphs of one node "
            f"type, got {type(data).__name__}."
        )
    width = getattr(data, "num_features", None)
    if width is None:
        width = data[0].num_features if len(data) else 0
    if not width:
        raise ValueError(
            f"{recipe}: the graphs have no features x; give them some, for example their degrees: "
            "gcl.transforms.AddDegreeFeatures(max_degree=...)."
        )
    return int(width)


def graph_head(width: int) -> MLP:
    """GraphCL's projection head `Linear -> ReLU -> Linear`."""
    return MLP([width, width, width], act="relu", norm=None)
