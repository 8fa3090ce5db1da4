"""Random new edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.augment.sampling import distinct, sorted_unique
from gcl.checks import check_fraction
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.pairing import edge_pairs
from gcl.graphs.selection import edge_attributes, edge_stores, ends, fix_num_nodes, graphs, take
from gcl.ops.structure import pointer, stable_order, tally


def _local(graph: Tensor, num_graphs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Number of each node within its graph, the nodes graph by graph, and where each begins."""
    order = stable_order(graph, num_graphs)
    ptr = pointer(graph, num_graphs)
    local = torch.empty_like(order)
    begin = ptr.index_select(0, graph.index_select(0, order))
    local[order] = torch.arange(order.numel(), device=order.device) - begin
    return local, order, ptr


class EdgeAdding(BaseTransform):
    """Adds p * e new random edges to a graph of e edges (GraphCL, You et al. 2020).

    New edges join two different nodes of one graph that had no edge, each pair at most once and
    with equal chance; p * e is met on average (rounded at random), a graph that lacks as many
    free pairs is completed. They copy the attributes of existing edges of their graph, drawn at
    random. Nothing of size n x n is stored: free pairs are drawn by their rank.

    Args:
        p: number of new edges relative to the existing ones, in [0, 1].
        undirected: where a graph holds both directions of every edge, new edges come in both, with
            the attributes of the two directions of one edge; in `HeteroData` also across a type
            and its reverse type. False: single directions.

    Shape:
        edge_index `[2, e]` -> `[2, about (1 + p) e]`, edge attributes alike. Old edges keep their
        order and come first (within each graph of a batch).

    Raises:
        ValueError: p outside [0, 1]; no edge_index.

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020; their code draws
        pairs that may exist already and draws directions apart.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> EdgeAdding(p=0.5)(data).edge_index[:, 4:].sort().values
        tensor([[0, 2],
                [0, 2]])
    """

    def __init__(self, p: float, undirected: bool = True):
        check_fraction("EdgeAdding", p=p)
        self.p = float(p)
        self.undirected = undirected

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        stores = edge_stores("EdgeAdding", data)
        fix_num_nodes(data)
        for store, reverse, match in edge_pairs(data, stores, self.undirected):
            if reverse is not store or match is None:
                new, donor = self._draw(data, store, both=False)
                _append(data, store, new, donor)
                if match is not None:
                    _append(data, reverse, new.flip(0), match[donor])
                continue
            directed = _directed(data, store, match)
            mixed = bool(directed.any())
            new, donor = self._draw(data, store, both=True, only=~directed if mixed else None)
            ends_of_new, donors = [new, new.flip(0)], [donor, match[donor]]
            if mixed:
                new, donor = self._draw(data, store, both=False, only=directed)
                ends_of_new, donors = [*ends_of_new, new], [*donors, donor]
            _append(data, store, torch.cat(ends_of_new, 1), torch.cat(donors))
        return data

    def _draw(
        self, data: Graph, store: Any, both: bool, only: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """New edges `[2, m]` (one direction) and the existing edge each copies.

        Args:
            data: the graph.
            store: whose edges.
            both: pairs without a direction.
            only: `[num_graphs]`, the graphs that get new edges; all if None.
        """
        src, dst = ends(data, store)
        src_graph, num_graphs = graphs(data, src)
        dst_graph, _ = graphs(data, dst)
        u_local, u_nodes, u_ptr = _local(src_graph, num_graphs)
        same = (u_local, u_nodes, u_ptr) if src is dst else None
        v_local, v_nodes, v_ptr = same or _local(dst_graph, num_graphs)
        source, target = store.edge_index
        graph = src_graph.index_select(0, source)  # twice as fast as indexing
        n, m = u_ptr.diff(), v_ptr.diff()

        # Number the pairs of a graph without gaps. Between two types: u * m + v. Within a type by
        # the step d = (v - u) mod n >= 1: (d - 1) * n + u, and for unordered pairs d <= n / 2.
        u, v, here = u_local.index_select(0, source), v_local.index_select(0, target), graph
        if src is dst:
            proper = u < v if both else u != v  # of the two directions of an edge, one is enough
            if only is not None:
                proper &= only.index_select(0, graph)
            proper = proper.nonzero().view(-1)
            u, v, here = (part.index_select(0, proper) for part in (u, v, here))
            size = n.index_select(0, here)
            step = torch.remainder(v - u, size)
            if both:
                swap = (2 * step > size) | ((2 * step == size) & (u > v))
                u, step = torch.where(swap, v, u), torch.where(swap, size - step, step)
            pair = (step - 1) * size + u
            total = n * (n - 1) // 2 if both else n * (n - 1)
        else:
            pair = u * m[here] + v
            total = n * m
        base = total.cumsum(0) - total
        taken = sorted_unique(base.index_select(0, here) + pair)
        taken_per_graph = pointer(torch.bucketize(taken, base + total, right=True), num_graphs)
        free = total - taken_per_graph.diff()

        edges = tally(graph, num_graphs)
        mean = self.p * edges.double() / (2 if both else 1)
        wanted = (mean + torch.rand_like(mean)).floor().long()
        if only is not None:
            wanted = torch.where(only, wanted, 0)
        where, rank = distinct(torch.minimum(wanted, free), free)

        # The r-th free pair: r plus the number of taken pairs in front of it.
        rank = rank + (free.cumsum(0) - free)[where]
        gaps = taken - torch.arange(taken.numel(), device=taken.device)
        pair = rank + torch.searchsorted(gaps, rank, right=True) - base[where]
        if src is dst:
            size = n[where]
            u = pair % size
            v = (u + pair // size + 1) % size
        else:
            u, v = pair // m[where], pair % m[where]
        new = torch.stack([u_nodes[u_ptr[where] + u], v_nodes[v_ptr[where] + v]])

        by_graph = stable_order(graph, num_graphs)
        pick = (torch.rand_like(new[0], dtype=torch.float64) * edges[where]).long()
        return new, by_graph[(edges.cumsum(0) - edges)[where] + pick]

    def __repr__(self) -> str:
        return describe(self)


def _directed(data: Graph, store: Any, match: Tensor) -> Tensor:
    """`[num_graphs]`: where edges besides loops are their own match, see `edge_pairs`."""
    graph, num_graphs = graphs(data, ends(data, store)[0])
    source, target = store.edge_index
    alone = (match == torch.arange(len(match), device=match.device)) & (source != target)
    found = torch.zeros(num_graphs, dtype=torch.bool, device=match.device)
    found[graph.index_select(0, source[alone])] = True
    return found


def _append(data: Graph, store: Any, new: Tensor, donor: Tensor) -> None:
    names = edge_attributes(data, store)
    node_graph, num_graphs = graphs(data, ends(data, store)[0])
    old = store.edge_index
    edge_index = torch.cat([old, new.to(old.dtype)], dim=1)
    index = torch.cat([torch.arange(old.size(1), device=old.device), donor])
    graph = node_graph.index_select(0, edge_index[0])
    order = stable_order(graph, num_graphs)
    take(data, store, names, index.index_select(0, order), graph.index_select(0, order))
    store.edge_index = edge_index[:, order]
