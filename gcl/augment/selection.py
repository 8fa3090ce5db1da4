"""Which attributes of a store belong to its edges or nodes, and how to keep some of their rows.

All of it works on the shallow copy that a PyG transform receives: tensors are replaced, never
written to. The book-keeping of a `Batch` (`ptr`, slices, increments) is kept right, so that
`to_data_list` still takes it apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import N_KEYS
from torch_geometric.utils import select

from gcl.augment.features import take_rows
from gcl.typing import Graph

# They may have as many rows as there are edges or nodes, and belong to neither.
_OF_NEITHER = {"ptr", "feature_importance", "pos_edge_index", "pos_weight"}


def edge_stores(owner: str, data: Graph) -> list[Any]:
    """The stores that hold edges; an error where there are none or one has no `edge_index`."""
    for store in data.edge_stores:
        if "edge_index" not in store:
            where = "data" if store._key is None else f"data[{store._key!r}]"
            raise ValueError(
                f"{owner}: {where} has no edge_index; add one of shape [2, num_edges] "
                "(sparse adjacencies are not read)."
            )
    if not data.edge_stores:
        raise ValueError(f"{owner}: the data has no edge type; add edges first.")
    return data.edge_stores


def ends(data: Graph, store: Any) -> tuple[Any, Any]:
    """The node stores of the sources and of the targets of an edge store."""
    if isinstance(data, HeteroData):
        return data[store._key[0]], data[store._key[2]]
    return store, store


def fix_num_nodes(data: Graph) -> None:
    """Writes `num_nodes` down where only the edges tell it: they are about to change."""
    if isinstance(data, HeteroData):
        types = {t for key in data.edge_types for t in (key[0], key[2])} | set(data.node_types)
        nodes = [data[node_type] for node_type in types]
    else:
        nodes = data.node_stores
    for store in nodes:
        if any(key in N_KEYS or "node" in key or key.startswith("adj") for key in store):
            continue
        size = 0
        for edges in data.edge_stores:
            for end, row in zip(ends(data, edges), edges.edge_index, strict=True):
                if end is store and row.numel():
                    size = max(size, int(row.max()) + 1)
        store.num_nodes = size


def graphs(data: Graph, store: Any) -> tuple[Tensor, int]:
    """The graph of every node of a node store, and the number of graphs."""
    if "batch" in store and store.batch is not None:
        if "ptr" in store:
            return store.batch, store.ptr.numel() - 1
        return store.batch, int(store.batch.max()) + 1 if store.batch.numel() else 1
    known = [s.edge_index.device for s in data.edge_stores if "edge_index" in s]
    device = store.x.device if "x" in store else known[0] if known else None
    return torch.zeros(store.num_nodes, dtype=torch.long, device=device), 1


def edge_attributes(data: Graph, store: Any) -> list[str]:
    """Names of what has one row per edge, `edge_index` included; ask before replacing it."""
    names = [n for n in store if n not in _OF_NEITHER and store.is_edge_attr(n)]
    if isinstance(data, HeteroData):
        return names
    # A batch of g graphs with g edges: labels of the graphs look like attributes of the edges.
    if store.edge_index.size(1) in (num_graphs := graphs(data, store)[1], num_graphs + 1):
        return [name for name in names if "edge" in name]
    return names


def node_attributes(store: Any) -> list[str]:
    """Names of what has one row per node; ask before changing the number of nodes."""
    names = [n for n in store if n not in _OF_NEITHER and store.is_node_attr(n)]
    if "ptr" not in store or len(store.ptr) - 1 != store.num_nodes:
        return names
    # A batch of g graphs with g nodes: labels of the graphs look like attributes of the nodes.
    cuts = getattr(store._parent(), "_slice_dict", {})
    cuts = cuts.get(store._key, {}) if store._key is not None else cuts
    return [n for n in names if n not in cuts or torch.equal(cuts[n].to(store.ptr), store.ptr)]


def take(data: Graph, store: Any, names: list[str], index: Tensor, graph: Tensor | None) -> None:
    """Replaces the named attributes by their rows `index`.

    Args:
        data: the graph, a shallow copy.
        store: the store that holds the attributes.
        names: what to replace.
        index: `[m]`, the rows to take, in the order wanted.
        graph: `[m]`, the graph of each row taken; needed, and rising, in a `Batch` only.
    """
    for name in names:
        value = store[name]
        if isinstance(value, np.ndarray):
            store[name] = value.take(index.cpu().numpy(), data.__cat_dim__(name, value, store))
        elif isinstance(value, Tensor) and value.layout == torch.sparse_csr:
            store[name] = take_rows(value, index)
        else:
            dim = data.__cat_dim__(name, value, store) if isinstance(value, Tensor) else 0
            at = index.to(getattr(value, "device", "cpu"))
            # For `edge_index` twice as fast as index_select.
            store[name] = value[..., at] if dim == -1 else select(value, at, dim)
    reslice(data, store, names, graph)


def take_edges(data: Graph, store: Any, index: Tensor) -> None:
    """Keeps the edges `index` of a store with all their attributes."""
    names = edge_attributes(data, store)
    take(data, store, names, index, _graph_of_edges(data, store, index))


def set_edge_weight(data: Graph, store: Any, weight: Tensor) -> None:
    """Sets `edge_weight` for the current edges of a store."""
    store.edge_weight = weight
    reslice(data, store, ["edge_weight"], _graph_of_edges(data, store))


def reslice(data: Graph, store: Any, names: list[str], graph: Tensor | None) -> None:
    """Tells a `Batch` how many rows of the named attributes each of its graphs has now."""
    slices, incs = book(data, store, "_slice_dict"), book(data, store, "_inc_dict")
    if slices is None or incs is None or graph is None:
        return
    num_graphs = data._num_graphs
    ptr = rising_pointer(graph, num_graphs)
    for name in names:
        # What was never collated (`batch`, `e_batch`) is not taken apart either.
        if name in slices or name == "edge_weight":
            slices[name] = ptr.cpu()
            incs.setdefault(name, torch.zeros(num_graphs, dtype=torch.long))
        if f"{name}_ptr" in store:
            store[f"{name}_ptr"] = ptr


def book(data: Graph, store: Any, name: str) -> dict[str, Any] | None:
    """A private copy of a store's part of a `Batch`'s slices or increments; None if no batch."""
    top = data._global_store if isinstance(data, HeteroData) else data._store
    whole = top.__dict__.get(name)
    if whole is None:
        return None
    whole = top.__dict__[name] = dict(whole)
    if store._key is None:
        return whole
    part = whole[store._key] = dict(whole.get(store._key, {}))
    return part


def _graph_of_edges(data: Graph, store: Any, index: Tensor | None = None) -> Tensor | None:
    """The graph of every edge (of those in index); None where nobody keeps books on it."""
    if book(data, store, "_slice_dict") is None:
        return None
    source = store.edge_index[0]
    source = source if index is None else source.index_select(0, index)
    return graphs(data, ends(data, store)[0])[0].index_select(0, source)


def pointer(graph: Tensor, num_graphs: int) -> Tensor:
    """`[num_graphs + 1]`: where the rows of each graph begin, once they lie one after another."""
    sizes = torch.bincount(graph, minlength=num_graphs)
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def rising_pointer(graph: Tensor, num_graphs: int) -> Tensor:
    """The same where they already do: faster, as only the borders are looked for."""
    return torch.searchsorted(graph, torch.arange(num_graphs + 1, device=graph.device))
