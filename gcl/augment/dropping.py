"""How edges are dropped once it is known how often: coins, directions, batches, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gcl.contracts import Graph
from gcl.graphs.kinds import check_edge_weight
from gcl.graphs.pairing import edge_pairs
from gcl.graphs.selection import (
    edge_stores,
    ends,
    fix_num_nodes,
    graphs,
    set_edge_weight,
    take_edges,
)


def drop_edges(
    owner: str,
    data: Graph,
    rates: Callable[[Any], Tensor | float],
    *,
    undirected: bool,
    as_weight: bool,
) -> Graph:
    """Drops every edge with its own probability.

    Args:
        owner: the class that asks, for errors.
        data: the graph, a shallow copy.
        rates: from an edge store to the drop probability of its edges, `[e]` or one for all.
        undirected: the two directions of an edge share one coin, with the mean of their rates.
        as_weight: set `edge_weight` of dropped edges to 0 and keep them in the list.
    """
    stores = edge_stores(owner, data)
    fix_num_nodes(data)
    for store, reverse, match in edge_pairs(data, stores, undirected):
        size, device = store.edge_index.size(1), store.edge_index.device
        rate = rates(store)
        if match is not None and isinstance(rate, Tensor):
            other = rate if reverse is store else rates(reverse)
            rate = (rate + other[match]) / 2  # type: ignore[index]
        dropped = torch.rand(size, device=device) < rate
        if reverse is store and match is not None:
            # The rates of the two directions are equal: the earlier one decides for both.
            first = torch.minimum(torch.arange(size, device=device), match)
            dropped = dropped.index_select(0, first)
        _drop(owner, data, store, dropped, as_weight)
        if match is not None and reverse is not store:
            opposite = torch.empty_like(dropped).scatter_(0, match, dropped)
            _drop(owner, data, reverse, opposite, as_weight)
    return data


def graph_of_edges(data: Graph, store: Any) -> tuple[Tensor | None, int]:
    """The graph of every edge of a batch (None where there is only one), and their number."""
    graph, num_graphs = graphs(data, ends(data, store)[0])
    return (graph[store.edge_index[0]] if num_graphs > 1 else None), num_graphs


def _drop(owner: str, data: Graph, store: Any, dropped: Tensor, as_weight: bool) -> None:
    if not as_weight:
        take_edges(data, store, (~dropped).nonzero().view(-1))
        return
    if "edge_weight" in store:
        weight = store.edge_weight
        check_edge_weight(owner, weight, dropped.numel())
    else:
        x = ends(data, store)[0].get("x")
        floating = isinstance(x, Tensor) and x.is_floating_point()
        dtype = x.dtype if floating else torch.get_default_dtype()
        weight = torch.ones(dropped.numel(), dtype=dtype, device=dropped.device)
    shape = (-1,) + (1,) * (weight.dim() - 1)
    set_edge_weight(data, store, weight * (~dropped).view(shape))
