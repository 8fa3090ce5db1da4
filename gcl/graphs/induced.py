"""The subgraph of chosen nodes, with everything that belongs to its nodes, edges and graphs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.contracts import Graph
from gcl.graphs.selection import (
    book,
    edge_attributes,
    ends,
    graphs,
    node_attributes,
    reslice,
    rising_pointer,
    take,
)


def check_relabelling(owner: str, data: Graph) -> None:
    """Refuses attributes that hold node numbers and would point to other nodes afterwards.

    Raises:
        ValueError: an attribute besides `edge_index` holds node numbers by PyG's rules.
    """
    for store in data.stores:
        for name in store:
            if name != "edge_index" and ("index" in name or name == "face"):
                raise ValueError(
                    f"{owner}: '{name}' looks like node numbers, which change here; "
                    f"remove it from the data first, or rename it if it is something else."
                )


def keep_nodes(data: Graph, stores: list[Any], kept: dict[Any, Tensor]) -> None:
    """Keeps the chosen nodes of every node type, in their order, and the edges between them.

    Args:
        data: the graph, a shallow copy.
        stores: its edge stores.
        kept: by node type (None in `Data`), `[n]` or longer, True where a node stays.
    """
    # Everything is read off the whole graph before any of it changes.
    keep = {store._key: kept[store._key][: store.num_nodes] for store in data.node_stores}
    graph_of = {store._key: graphs(data, store)[0] for store in data.node_stores}
    node_names = {store._key: node_attributes(store) for store in data.node_stores}
    edge_names = {store._key: edge_attributes(data, store) for store in stores}
    number = {key: torch.where(mask, mask.cumsum(0) - 1, -1) for key, mask in keep.items()}
    start = {}

    for store in stores:
        src, dst = (end._key for end in ends(data, store))
        source, target = store.edge_index
        # index_select is twice as fast as indexing by a tensor.
        new = number[src].index_select(0, source), number[dst].index_select(0, target)
        index = ((new[0] | new[1]) >= 0).nonzero().view(-1)  # a sign bit says that an end is gone
        graph = graph_of[src].index_select(0, source.index_select(0, index))
        take(data, store, [n for n in edge_names[store._key] if n != "edge_index"], index, graph)
        store.edge_index = torch.stack([end.index_select(0, index) for end in new])
        reslice(data, store, ["edge_index"], graph)

    for store in data.node_stores:
        key = store._key
        index = keep[key].nonzero().view(-1)
        graph = graph_of[key].index_select(0, index)
        if "num_nodes" in store:
            store.num_nodes = index.numel()
        # `edge_index` was renumbered, and names with one row an edge are done.
        take(data, store, node_names[key], index, graph)
        if "ptr" in store:
            start[key] = store.ptr = rising_pointer(graph, store.ptr.numel() - 1)
            if "_num_nodes" in store.__dict__:
                store.__dict__["_num_nodes"] = store.ptr.diff().tolist()

    for store in stores:
        incs = book(data, store, "_inc_dict")
        if incs is None:
            continue
        src, dst = (start[end._key][:-1].cpu() for end in ends(data, store))
        same_type = not isinstance(data, HeteroData)
        incs["edge_index"] = src if same_type else torch.stack([src, dst], 1).unsqueeze(-1)
