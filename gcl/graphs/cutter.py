"""Batches cut out of one graph: some of its nodes and edges, with all that belongs to them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from gcl.contracts import Graph
from gcl.graphs.attributes import classify
from gcl.graphs.kinds import check_edge_weight, check_edges, check_graph
from gcl.graphs.pair_lists import mark_relabelled, pairs_by_first
from gcl.graphs.selection import ends, fix_num_nodes, take
from gcl.graphs.target_lists import TargetLists, all_slots, target_lists
from gcl.ops.blocks import equal_places

Kind: TypeAlias = Any
"""A node type, or an edge type; None in a graph of one."""

Choose: TypeAlias = Callable[[Kind, int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`(edge type, hop, rowptr, nodes) -> (row, slot)`: which edges that arrive at nodes are taken."""

Edges: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""`(target, source, edge)`: both ends in numbers of the batch, and the place in the whole list."""


def every_edge(kind: Kind, hop: int, rowptr: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """All edges that arrive at the nodes."""
    return all_slots(rowptr, nodes)


class Cutter:
    """Knows of one graph what every batch of it needs: edges by target, and what belongs to what.

    A batch has every attribute of nodes at `[n_id]` and of edges at `[e_id]`, lists of pairs
    (`pos_edge_index`, ...) by its own numbers where both ends are inside, and what belongs to the
    graph as it is. Of a graph of one node type it also has `degree`, the weighted in-degrees in the
    whole graph without loops.

    Args:
        owner: who cuts, for messages.
        data: a `Data` or `HeteroData`; it stays as it is and is not copied.

    Raises:
        TypeError: no graph.
        ValueError: a batch of several graphs; edges or weights that do not fit; attributes of which
            no rule tells what they belong to, see `gcl.graphs.attributes.classify`.

    Memory beyond the graph: 4 bytes an edge, none where the edges are sorted by target, and 16 a
    node.
    """

    def __init__(self, owner: str, data: Graph):
        check_graph(owner, data)
        if isinstance(data, Batch):
            raise ValueError(
                f"{owner}: expected one graph, got a batch of {data.num_graphs}; batches of whole "
                "graphs are made by torch_geometric.loader.DataLoader."
            )
        self.data = data = copy.copy(data).to("cpu")
        for store in data.edge_stores:
            where = "data" if store._key is None else f"data[{store._key!r}]"
            check_edges(owner, store.get("edge_index"), where)
        fix_num_nodes(data)
        self.num_nodes = {store._key: int(store.num_nodes) for store in data.node_stores}
        of_graph = isinstance(data, HeteroData)  # what has no type there is the graph's
        rows = [store for store in data.stores if not (of_graph and store._key is None)]
        self.attributes = {store._key: classify(owner, data, store) for store in rows}
        self.ends: dict[Kind, tuple[Kind, Kind]] = {}
        self.lists: dict[Kind, TargetLists] = {}
        for store in data.edge_stores:
            key = store._key
            self.ends[key] = src, dst = tuple(end._key for end in ends(data, store))
            sizes = self.num_nodes[src], self.num_nodes[dst]
            for row, size, what in zip(store.edge_index, sizes, ("source", "target"), strict=True):
                if row.numel() and not 0 <= int(row.min()) <= int(row.max()) < size:
                    raise ValueError(
                        f"{owner}: edge_index must name nodes in [0, {size}), got a {what} of "
                        f"{int(row.min()) if int(row.min()) < 0 else int(row.max())}."
                    )
            if "edge_weight" in store:
                check_edge_weight(owner, store.edge_weight, store.edge_index.shape[1])
            self.lists[key] = target_lists(store.edge_index, *sizes)
        self._pairs = {
            (kind, name): pairs_by_first(self._store(data, kind)[name], self.num_nodes[kind])
            for kind in self.num_nodes
            for name in self.attributes[kind].pairs
        }
        self.degree = self._count(weighted=True) if None in self.ends else None
        self._counts: dict[Kind, Tensor] = {}
        self._local: dict[Kind, Tensor] = {}

    def take(
        self,
        seeds: dict[Kind, Tensor],
        hops: int = 0,
        choose: Choose = every_edge,
        *,
        induced: bool = False,
        scaled: bool = False,
        degrees: bool = True,
    ) -> Graph:
        """Seeds, what reaches them in so many hops, and the edges that were followed.

        Seeds come first, in their order; then nodes by the hop in which they are met first, in the
        order of their numbers.

        Args:
            seeds: node numbers by node type, each at most once.
            hops: how often edges are followed backwards.
            choose: which of the edges that arrive at nodes are followed.
            induced: all edges between the nodes, not only those followed.
            scaled: `edge_weight` times the number of edges that arrive at its target in the whole
                graph, over that in the batch: sums over neighbours are then right on average.
            degrees: write `degree`, where there is one node type.
        """
        with self._numbering() as nodes:
            edges = self._reach(nodes, seeds, hops, choose)
            n_id = {kind: torch.cat(parts) for kind, parts in nodes.items()}
            if induced:
                edges.clear()
                edges.update((kind, [self._between(kind, n_id)]) for kind in self.ends)
            return self._cut(n_id, edges, scaled, degrees)

    def _reach(
        self,
        nodes: dict[Kind, list[Tensor]],
        seeds: dict[Kind, Tensor],
        hops: int,
        choose: Choose,
    ) -> dict[Kind, list[Edges]]:
        """Fills in the nodes, and gives the edges of every hop."""
        size = dict.fromkeys(nodes, 0)
        found: dict[Kind, list[Edges]] = {kind: [] for kind in self.ends}

        def add(kind: Kind, new: Tensor) -> None:
            self._local[kind][new] = torch.arange(
                size[kind], size[kind] + len(new), dtype=torch.int32
            )
            nodes[kind].append(new)
            size[kind] += len(new)

        first, met = dict(size), {kind: len(parts) for kind, parts in nodes.items()}
        for kind, chosen in seeds.items():
            add(kind, chosen)
        for hop in range(hops):
            empty = torch.empty(0, dtype=torch.long)
            frontier = {kind: torch.cat([empty, *parts[met[kind] :]])
                        for kind, parts in nodes.items()}  # fmt: skip
            first, begun = dict(size), first
            met = {kind: len(parts) for kind, parts in nodes.items()}
            for key, (src, dst) in self.ends.items():
                if not len(frontier[dst]):
                    continue
                lists = self.lists[key]
                row, slot = choose(key, hop, lists.rowptr, frontier[dst])
                row = (row + begun[dst]).to(torch.int32)
                edge = lists.edges(slot)
                del slot
                source = lists.source.index_select(0, edge)
                number = self._local[src].index_select(0, source)
                unseen = (number < 0).nonzero().view(-1)
                if len(unseen):
                    new = source.index_select(0, unseen)
                    # In 32 bits where they suffice, as they are sorted faster.
                    small = torch.int32 if self.num_nodes[src] < 2**31 else torch.int64
                    add(src, new.to(small).unique().long())
                    number.index_copy_(0, unseen, self._local[src].index_select(0, new))
                    del new
                found[key].append((row, number, edge))
                del row, edge, source, number, unseen
        return found

    def _between(self, key: Kind, n_id: dict[Kind, Tensor]) -> Edges:
        """All edges of a type with both ends inside."""
        src, dst = self.ends[key]
        lists = self.lists[key]
        row, slot = all_slots(lists.rowptr, n_id[dst])
        edge = lists.edges(slot)
        del slot
        number = self._local[src].index_select(0, lists.source.index_select(0, edge))
        inside = (number >= 0).nonzero().view(-1)
        return row[inside], number[inside], edge[inside]

    def _cut(
        self,
        n_id: dict[Kind, Tensor],
        edges: dict[Kind, list[Edges]],
        scaled: bool,
        degrees: bool,
    ) -> Graph:
        batch = copy.copy(self.data)
        for kind, rows in n_id.items():
            store = self._store(batch, kind)
            take(batch, store, self.attributes[kind].nodes, rows, None)
            self._relabel(kind, store, rows)
            if "num_nodes" in store:
                store.num_nodes = len(rows)
        for key in list(edges):
            store = self._store(batch, key)
            store.edge_index, e_id = _joined(edges.pop(key))
            take(batch, store, self.attributes[key].edges, e_id, None)
            if scaled:
                self._scale(key, store, n_id)
            store.e_id = e_id
        for kind, rows in n_id.items():
            self._store(batch, kind).n_id = rows
        if degrees and self.degree is not None:
            batch.degree = self.degree.index_select(0, n_id[None])
        return batch

    def _relabel(self, kind: Kind, store: Any, rows: Tensor) -> None:
        for name, followers in self.attributes[kind].pairs.items():
            rowptr, order = self._pairs[kind, name]
            row, slot = all_slots(rowptr, rows)
            at = order.index_select(0, slot)
            second = self._local[kind].index_select(0, store[name][1].index_select(0, at))
            inside = (second >= 0).nonzero().view(-1)
            at = at.index_select(0, inside)
            for follower in followers:
                store[follower] = store[follower].index_select(0, at)
            store[name] = torch.stack([row[inside], second[inside].long()])
        mark_relabelled(store)

    def _scale(self, key: Kind, store: Any, n_id: dict[Kind, Tensor]) -> None:
        src, dst = self.ends[key]
        source, target = store.edge_index
        # A loop is no neighbour: it stays as heavy as it is.
        other = source != target if src == dst else torch.ones_like(source, dtype=torch.bool)
        here = torch.bincount(target[other], minlength=len(n_id[dst]))
        if key not in self._counts:
            same = key is None and "edge_weight" not in self._store(self.data, key)
            known = self.degree if same else None
            self._counts[key] = self._count(weighted=False, key=key) if known is None else known
        share = self._counts[key].index_select(0, n_id[dst]) / here.clamp(min=1)
        factor = torch.where(other, share.index_select(0, target), 1.0)
        weight = store.get("edge_weight")
        store.edge_weight = factor if weight is None else weight * factor.to(weight.dtype)

    def _count(self, weighted: bool, key: Kind = None) -> Tensor:
        """The weighted or plain number of edges that arrive at every node, without loops.

        Of weighted loops what goes beyond 1, the loop that a GCN adds where there is none.
        """
        store = self._store(self.data, key)
        src, dst = self.ends[key]
        source, target = store.edge_index
        size = self.num_nodes[dst]
        weight = store.get("edge_weight") if weighted else None
        total = torch.bincount(target, weight, minlength=size)
        if src == dst:
            loops = equal_places(source, target)
            own = None if weight is None else weight.index_select(0, loops)
            looped = target.index_select(0, loops)
            total = total - torch.bincount(looped, own, minlength=size)
            if weight is not None and len(loops):
                # Of several loops of a node the last is the one that a GCN takes.
                last = torch.zeros(size, dtype=torch.long).scatter_reduce(0, looped, loops, "amax")
                nodes = looped.unique()
                heavy = weight.index_select(0, last[nodes]).double()
                total[nodes] += torch.where(heavy != 0, heavy, 1.0) - 1
        return total.to(torch.get_default_dtype())

    @contextmanager
    def _numbering(self) -> Iterator[dict[Kind, list[Tensor]]]:
        """Room for the numbers of the nodes of a batch, which is empty again afterwards."""
        for kind, size in self.num_nodes.items():
            if kind not in self._local:
                self._local[kind] = torch.full((size,), -1, dtype=torch.int32)
        nodes: dict[Kind, list[Tensor]] = {kind: [] for kind in self.num_nodes}
        for parts in nodes.values():
            parts.append(torch.empty(0, dtype=torch.long))
        try:
            yield nodes
        finally:
            for kind, parts in nodes.items():
                for part in parts:
                    self._local[kind][part] = -1

    @staticmethod
    def _store(data: Any, kind: Kind) -> Any:
        return data._store if kind is None else data[kind]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_local": {}}  # a worker makes its own


def _joined(parts: list[Edges]) -> tuple[Tensor, Tensor]:
    """Edges of several hops as an edge list `[2, e]`, and their positions in the whole list."""
    edge_index = torch.empty(2, sum(len(row) for row, _, _ in parts), dtype=torch.long)
    at = 0
    for row, number, _ in parts:
        edge_index[0, at : at + len(row)] = number
        edge_index[1, at : at + len(row)] = row
        at += len(row)
    if not parts:
        return edge_index, torch.empty(0, dtype=torch.long)
    return edge_index, torch.cat([edge for _, _, edge in parts]).long()
