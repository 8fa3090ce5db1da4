"""Random isolation of nodes."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.augment.checks import probability
from gcl.augment.describe import describe
from gcl.augment.selection import edge_stores, ends, fix_num_nodes, take_edges
from gcl.typing import Graph


class NodeDropping(BaseTransform):
    """Isolates every node with probability p: all its edges vanish (GraphCL, You et al. 2020).

    A dropped node keeps its place and its features, so that rows of two views still belong
    together; its self-loops vanish too. In `HeteroData` the nodes of every type are drawn.

    Args:
        p: probability to drop a node, in [0, 1].

    Shape:
        x unchanged; edge_index `[2, e]` -> `[2, e']`, every edge attribute alike.

    Raises:
        ValueError: p outside [0, 1]; no edge_index.

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020; their code also
        deletes the rows, which suits graph-level contrast only.

    Example:
        >>> from torch_geometric.data import Data
        >>> NodeDropping(p=1.0)(Data(edge_index=torch.tensor([[0, 1], [1, 1]]), num_nodes=2))
        Data(edge_index=[2, 0], num_nodes=2)
    """

    def __init__(self, p: float):
        self.p = probability("NodeDropping", "p", p)

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        stores = edge_stores("NodeDropping", data)
        fix_num_nodes(data)
        device = stores[0].edge_index.device
        keep = {
            store._key: torch.rand(store.num_nodes, device=device) >= self.p
            for store in data.node_stores
        }
        for store in stores:
            src, dst = ends(data, store)
            source, target = store.edge_index
            kept = keep[src._key][source] & keep[dst._key][target]
            take_edges(data, store, kept.nonzero().view(-1))
        return data

    def __repr__(self) -> str:
        return describe(self)
