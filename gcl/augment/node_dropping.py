"""Random isolation or removal of nodes."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.augment.graph_rates import rates_of
from gcl.checks import as_rate
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.induced import check_relabelling, keep_nodes
from gcl.graphs.selection import edge_stores, ends, fix_num_nodes, graphs, take_edges


class NodeDropping(BaseTransform):
    """Drops every node with probability p (GraphCL, You et al. 2020).

    A dropped node is isolated: all its edges vanish, its self-loops too, and it keeps its place and
    its features, so that rows of two views still belong together. With `remove` its row goes as
    well, which suits graph-level contrast: the others are renumbered in their old order, and
    masks, positions, edge attributes, `batch` and `ptr` follow. A graph that has nodes keeps at
    least one. In `HeteroData` the nodes of every type are drawn.

    Args:
        p: probability to drop a node, in [0, 1]; or the name of an attribute of the data with
            one such rate a graph, which a `Batch` stacks.
        remove: take dropped nodes out of the graph.

    Shape:
        edge_index `[2, e]` -> `[2, e']`, every edge attribute alike. Node attributes `[n, ...]`
        stay, or with `remove` become `[n', ...]`.

    Raises:
        ValueError: a rate outside [0, 1], or not one a graph; no edge_index; with `remove`, an
            attribute besides `edge_index` that holds node numbers by PyG's rules (its name
            contains "index", or is "face").

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020. Their code deletes
        a fixed share of the nodes, and with them those that have become isolated; here every node
        has a coin of its own, and nodes without edges stay.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.ones(2, 3), edge_index=torch.tensor([[0, 1], [1, 1]]))
        >>> NodeDropping(p=1.0)(data)
        Data(x=[2, 3], edge_index=[2, 0])
        >>> NodeDropping(p=1.0, remove=True)(data).num_nodes
        1
    """

    def __init__(self, p: float | str, remove: bool = False):
        self.p = as_rate("NodeDropping", "p", p)
        self.remove = remove

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        stores = edge_stores("NodeDropping", data)
        if self.remove:
            check_relabelling("NodeDropping", data)
        fix_num_nodes(data)
        device = stores[0].edge_index.device
        coins, heads = {}, {}
        for store in data.node_stores:
            coin = coins[store._key] = torch.rand(store.num_nodes, device=device)
            heads[store._key] = coin >= rates_of("NodeDropping", data, self.p, *graphs(data, store))
        if self.remove:
            # The node with the highest coin of each graph stays, whatever it shows.
            keep = {}
            for store in data.node_stores:
                coin = coins[store._key]
                graph, num_graphs = graphs(data, store)
                highest = coin.new_zeros(num_graphs).scatter_reduce(0, graph, coin, "amax")
                keep[store._key] = heads[store._key] | (coin == highest.index_select(0, graph))
            keep_nodes(data, stores, keep)
            return data
        for store in stores:
            src, dst = ends(data, store)
            source, target = store.edge_index
            kept = heads[src._key].index_select(0, source)
            kept &= heads[dst._key].index_select(0, target)
            take_edges(data, store, kept.nonzero().view(-1))
        return data

    def __repr__(self) -> str:
        return describe(self)
