"""Which edges are the two directions of one undirected edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.contracts import Graph
from gcl.graphs.selection import ends, graphs
from gcl.ops.structure import structure


def edge_pairs(
    data: Graph, stores: list[Any], undirected: bool
) -> Iterator[tuple[Any, Any, Tensor | None]]:
    """Every edge store once: `(store, reverse store, match)`.

    `match[i]` is the position in the reverse store of the reverse of edge i; of a batch with
    undirected and directed graphs the edges of the latter are their own match. A store that holds
    both directions is its own reverse; a directed one has the reverse None and match None. In
    `HeteroData` the reverse of (a, r, b) is a type (b, s, a) with exactly the flipped edges, by
    preference the one that PyG's `ToUndirected` names `rev_r`.
    """
    done: list[Any] = []
    for store in stores:
        if any(store is other for other in done):
            continue
        reverse, match = _reverse(data, store, stores, done) if undirected else (None, None)
        done += [store] if reverse is None else [store, reverse]
        yield store, reverse, match


def _reverse(
    data: Graph, store: Any, stores: list[Any], done: list[Any]
) -> tuple[Any, Tensor | None]:
    src, dst = ends(data, store)
    if src is dst:
        partner = structure(store.edge_index, src.num_nodes).partner
        if partner is None:
            partner = _of_some_graphs(data, store, src)
        if partner is not None:
            return store, partner
    if not isinstance(data, HeteroData):
        return None, None
    start, relation, end = store._key
    others = [
        other
        for other in stores
        if other is not store
        and (other._key[0], other._key[2]) == (end, start)
        and other.edge_index.size(1) == store.edge_index.size(1)
        and not any(other is old for old in done)
    ]
    others.sort(key=lambda other: other._key[1] != f"rev_{relation}")
    for other in others:
        match = _flipped(store.edge_index, other.edge_index, src.num_nodes, dst.num_nodes)
        if match is not None:
            return other, match
    return None, None


def _of_some_graphs(data: Graph, store: Any, nodes: Any) -> Tensor | None:
    """The match in a batch where some graphs are undirected; None if none is."""
    graph, num_graphs = graphs(data, nodes)
    if num_graphs < 2:
        return None
    partner = structure(store.edge_index, nodes.num_nodes).some_partners
    of_edge = graph.index_select(0, store.edge_index[0])
    directed = graph.new_zeros(num_graphs, dtype=torch.bool)
    directed[of_edge[partner < 0]] = True
    alone = directed[of_edge]
    if bool(alone.all()):
        return None
    return torch.where(alone, torch.arange(len(partner), device=partner.device), partner)


def _flipped(edge_index: Tensor, other: Tensor, num_src: int, num_dst: int) -> Tensor | None:
    forward = structure(edge_index, num_src, num_dst)
    backward = structure(other, num_dst, num_src)
    rowptr, col, slots = backward.transpose
    if not (torch.equal(rowptr, forward.rowptr) and torch.equal(col, forward.col)):
        return None
    positions = slots if backward.perm is None else backward.perm[slots]
    if forward.perm is None:
        return positions
    match = torch.empty_like(positions)
    match[forward.perm] = positions
    return match
