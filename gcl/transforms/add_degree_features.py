"""Node degrees as features, for graphs that have none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import degree

from gcl.checks import check_count
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.kinds import check_edges, check_graph


class AddDegreeFeatures(BaseTransform):
    """Sets x to the one-hot degree of every node, `x_i = onehot( min(deg_i, max_degree) )`.

    The degree counts outgoing edges, both directions of an undirected edge being listed. PyG's
    `OneHotDegree` fails at a degree above its largest and appends to existing features; here high
    degrees share the last column, so that graphs not seen before fit too, and x is replaced.

    Args:
        max_degree: the largest degree with a column of its own, >= 0.

    Shape:
        x `[n, max_degree + 1]`, in the precision of the features that it replaces, torch's default
        where there are none.

    Raises:
        TypeError: `HeteroData`, or no graph; max_degree is no integer.
        ValueError: max_degree below 0; no edge_index, or one of another shape.

    Example:
        >>> from torch_geometric.data import Data
        >>> AddDegreeFeatures(2)(Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)).x
        tensor([[0., 1., 0.],
                [0., 1., 0.],
                [1., 0., 0.]])
    """

    def __init__(self, max_degree: int):
        check_count("AddDegreeFeatures", least=0, max_degree=max_degree)
        self.max_degree = int(max_degree)

    def forward(self, data: Graph) -> Graph:
        if isinstance(data, HeteroData):
            raise TypeError(
                "AddDegreeFeatures: expected a graph of one node type, got HeteroData; its nodes "
                "have a degree for every edge type."
            )
        check_graph("AddDegreeFeatures", data)
        if data.get("edge_index") is None:
            raise ValueError("AddDegreeFeatures: the data has no edge_index; it may be empty.")
        check_edges("AddDegreeFeatures", data.edge_index, num_nodes=data.num_nodes)
        x = data.get("x")
        found = degree_features(data.edge_index, data.num_nodes, self.max_degree)
        precise = isinstance(x, Tensor) and x.is_floating_point()
        data.x = found.to(x.dtype) if precise else found
        return data

    def __repr__(self) -> str:
        return describe(self)


def degree_features(edge_index: Tensor, num_nodes: int, max_degree: int) -> Tensor:
    """One-hot degrees `[num_nodes, max_degree + 1]`; higher ones share the last column."""
    column = degree(edge_index[0], num_nodes, dtype=torch.long).clamp(max=max_degree)
    x = torch.zeros(num_nodes, max_degree + 1, device=edge_index.device)
    return x.scatter_(1, column.unsqueeze(1), 1.0)
