"""The graph's own edges, as positives of a loss."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce, remove_self_loops

from gcl.graphs.kinds import check_edges, check_one_type


class AddNeighborPositives(BaseTransform):
    """Writes the graph's edges as pairs of positives, which views then leave alone.

        pos_edge_index = the edges i -> j of the graph, once each, without loops

    for `gcl.losses.NS4GC`, or `InfoNCE` and others that take pairs. Edges of weight 0 count as any
    other.

    Run it on the whole graph: batches of several graphs shift the positions as they should, but
    what takes nodes out of a graph does not rename them.

    Shape:
        edge_index `[2, e]` -> pos_edge_index `[2, p]`, int64, p <= e, sorted.

    Raises:
        TypeError: no graph of one node type.
        ValueError: no edge_index, or positions beyond the nodes.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0]]), num_nodes=2)
        >>> AddNeighborPositives()(data).pos_edge_index
        tensor([[0, 1],
                [1, 0]])
    """

    writes = ("pos_edge_index",)  # tells on a batch that its graph has it

    def forward(self, data: Any) -> Any:
        check_one_type("AddNeighborPositives", data)
        if "edge_index" not in data:
            raise ValueError(
                "AddNeighborPositives: data has no edge_index; add one of shape [2, num_edges]."
            )
        check_edges("AddNeighborPositives", data.edge_index, num_nodes=data.num_nodes)
        edges, _ = remove_self_loops(data.edge_index.to(torch.int64))
        data.pos_edge_index = coalesce(edges, num_nodes=data.num_nodes)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
