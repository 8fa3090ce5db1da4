"""The subgraph around random walks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_count, check_number
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.induced import check_relabelling, keep_nodes
from gcl.graphs.selection import edge_stores, fix_num_nodes, graphs
from gcl.ops.structure import Structure, pointer, structure


class RandomWalkSubgraph(BaseTransform):
    """Keeps the subgraph induced by the nodes that random walks visit (GraphCL, GCC).

    In every graph `num_starts` different nodes are drawn, from each a walk takes `walk_length`
    steps to uniformly drawn neighbours (edge directions are ignored, a node without neighbours
    stays), and the visited nodes remain with all edges between them. They are renumbered in
    their old order, so that this is a graph-level augmentation: rows of two views do not belong
    together. A graph that has nodes keeps some. In `HeteroData` one walk crosses all edge types.

    Args:
        num_starts: walks per graph, an integer >= 1 (at most one a node), or the share of the
            graph's nodes at which one starts, a float in (0, 1]; 1.0 keeps every node.
        walk_length: steps of a walk, >= 0.

    Shape:
        Every node attribute `[n, ...]` -> `[n', ...]`, every edge attribute `[e, ...]` ->
        `[e', ...]`; `batch` and `ptr` follow.

    Raises:
        ValueError: parameters out of range; no edge_index; an attribute besides `edge_index` that
            holds node numbers by PyG's rules (its name contains "index", or is "face").

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020; Qiu et al., GCC,
        KDD 2020. The frontier of GraphCL's published code never leaves the neighbours of one
        node; here walks go on.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.tensor([[1.0], [2.0], [3.0]]),
        ...             edge_index=torch.tensor([[1, 2], [2, 1]]))
        >>> sub = RandomWalkSubgraph(num_starts=1, walk_length=5)(data)
        >>> sub.num_nodes < 3
        True
    """

    def __init__(self, num_starts: int | float = 0.2, walk_length: int = 10):
        self.num_starts: int | float
        if isinstance(num_starts, float | np.floating):
            check_number("RandomWalkSubgraph", num_starts=num_starts)
            self.num_starts = float(num_starts)
            if not 0 < num_starts <= 1:
                raise ValueError(
                    "RandomWalkSubgraph: num_starts must lie in (0, 1] as a share, or be an "
                    f"integer >= 1, got {num_starts}."
                )
        else:
            check_count("RandomWalkSubgraph", num_starts=num_starts)
            self.num_starts = int(num_starts)
        check_count("RandomWalkSubgraph", least=0, walk_length=walk_length)
        self.walk_length = int(walk_length)

    def forward(self, data: Graph) -> Graph:
        if isinstance(self.num_starts, float) and self.num_starts == 1:
            return data
        stores = edge_stores("RandomWalkSubgraph", data)
        check_relabelling("RandomWalkSubgraph", data)
        fix_num_nodes(data)

        # All node types numbered one after the other.
        offset, total = {}, 0
        for store in data.node_stores:
            offset[store._key] = total
            total += store.num_nodes
        if isinstance(data, HeteroData):
            edges = torch.cat([_shifted(data, store, offset) for store in stores], dim=1)
            walkable = Structure(edges, total, total)
        else:
            walkable = structure(data.edge_index, total)
        of_nodes = [graphs(data, store) for store in data.node_stores]
        num_graphs = max(count for _, count in of_nodes)
        starts = self._starts(torch.cat([graph for graph, _ in of_nodes]), num_graphs)
        visited = self._visit(walkable, starts)
        if bool(visited.all()):
            return data
        keep_nodes(data, stores, {key: visited[at:] for key, at in offset.items()})
        return data

    def _starts(self, graph: Tensor, num_graphs: int) -> Tensor:
        shuffle = torch.randperm(graph.numel(), device=graph.device)
        shuffle = shuffle[torch.argsort(graph[shuffle], stable=True)]
        ptr = pointer(graph, num_graphs)
        if isinstance(self.num_starts, int):
            count = torch.full_like(ptr[1:], self.num_starts)
        else:
            count = (ptr.diff() * self.num_starts).ceil().long()
        owner = graph[shuffle]
        place = torch.arange(graph.numel(), device=graph.device) - ptr[owner]
        return shuffle[place < count[owner]]

    def _visit(self, walkable: Structure, node: Tensor) -> Tensor:
        visited = torch.zeros(walkable.num_dst, dtype=torch.bool, device=node.device)
        visited[node] = True
        if walkable.num_edges == 0:
            return visited
        out_ptr, out_col, _ = walkable.transpose
        neighbour = torch.cat([walkable.col, out_col])
        num_in, num_out = walkable.rowptr.diff(), out_ptr.diff()
        for _ in range(self.walk_length):
            degree = num_in[node] + num_out[node]
            coin = torch.rand(node.numel(), dtype=torch.float64, device=node.device)
            pick = (coin * degree).long()
            from_out = walkable.num_edges + out_ptr[node] + pick - num_in[node]
            at = torch.where(pick < num_in[node], walkable.rowptr[node] + pick, from_out)
            # The clamp only meets nodes without neighbours, whose place is not used.
            step = neighbour[at.clamp(max=neighbour.numel() - 1)]
            node = torch.where(degree > 0, step, node)
            visited[node] = True
        return visited

    def __repr__(self) -> str:
        return describe(self)


def _shifted(data: HeteroData, store: Any, offset: dict[Any, int]) -> Tensor:
    source, target = store.edge_index
    return torch.stack([source + offset[store._key[0]], target + offset[store._key[2]]])
