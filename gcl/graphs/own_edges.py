"""The graph that the nodes of one type form among themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from gcl.contracts import Graph
from gcl.graphs.kinds import check_edge_weight, check_edges, check_graph


def own_edges(owner: str, data: Graph) -> list[tuple[Any, list[Any]]]:
    """Every store of nodes that has edges to itself, with the stores of these edges.

    Raises:
        ValueError: there is none, or `data` is a batch of several graphs.
    """
    check_graph(owner, data)
    if isinstance(data, Batch) and data.num_graphs > 1:
        raise ValueError(
            f"{owner}: expected one graph, got a batch of {data.num_graphs}; apply {owner} to "
            "every graph before batching."
        )
    if not isinstance(data, HeteroData):
        if "edge_index" not in data:
            raise ValueError(f"{owner}: data has no edge_index; add one of shape [2, num_edges].")
        check_edges(owner, data.edge_index, "data", data.num_nodes)
        _check_weight(owner, data)
        return [(data._store, [data._store])]
    found: dict[str, list[Any]] = {}
    for source, relation, target in data.edge_types:
        if source == target:
            store = data[source, relation, target]
            nodes = data[source].num_nodes
            check_edges(owner, store.get("edge_index"), f"data[{store._key!r}]", nodes)
            _check_weight(owner, store)
            found.setdefault(source, []).append(data[source, relation, target])
    if not found:
        raise ValueError(
            f"{owner}: no edge type joins a node type to itself; give the graph one, for example "
            "the meta-path graph of the nodes to embed."
        )
    return [(data[kind], stores) for kind, stores in found.items()]


def _check_weight(owner: str, store: Any) -> None:
    if "edge_weight" in store:
        check_edge_weight(owner, store["edge_weight"], store["edge_index"].shape[1])


def joined(stores: list[Any]) -> tuple[Tensor, Tensor | None]:
    """The edges of several stores one after the other, and weights if a store has `edge_weight`."""
    edges = torch.cat([store["edge_index"] for store in stores], dim=1)
    if not any("edge_weight" in store for store in stores):
        return edges, None
    weights = [
        store["edge_weight"]
        if "edge_weight" in store
        else torch.ones(store["edge_index"].shape[1], device=edges.device)
        for store in stores
    ]
    return edges, torch.cat(weights)
