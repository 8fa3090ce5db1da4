"""Which attributes of a store belong to its edges or nodes, and how to keep some of their rows.

An attribute of as many rows as there are nodes, or edges, is theirs. Where there are as many edges
as nodes, as in a ring, its name decides: with "edge" in it, or `e_id`, it is of edges. This holds
for tensors, arrays and lists alike; in a `Batch`, the rows of each graph are compared.

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
from torch_geometric.data.storage import E_KEYS, N_KEYS
from torch_geometric.typing import TensorFrame
from torch_geometric.utils import select

from gcl.contracts import Graph
from gcl.graphs.features import take_rows
from gcl.graphs.kinds import check_edges, check_graph

# They may have as many rows as there are edges or nodes, and belong to neither.
_OF_NEITHER = {
    *("ptr", "feature_importance", "pos_weight", "input_id"),
    *("feature_names", "edge_feature_names", "classes", "categories", "columns_made"),
}


def edge_stores(owner: str, data: Graph) -> list[Any]:
    """The stores that hold edges; an error where there are none or one has no `edge_index`."""
    check_graph(owner, data)
    for store in data.edge_stores:
        where = "data" if store._key is None else f"data[{store._key!r}]"
        if "edge_index" in store:
            check_edges(owner, store["edge_index"], where)
        else:
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
    x = store.get("x")
    device = x.device if isinstance(x, Tensor) else known[0] if known else None
    return torch.zeros(store.num_nodes, dtype=torch.long, device=device), 1


def edge_attributes(data: Graph, store: Any) -> list[str]:
    """Names of what has one row per edge, `edge_index` included; ask before replacing it."""
    return [name for name, owner in _owners(data, store).items() if owner == "edge"]


def node_attributes(store: Any) -> list[str]:
    """Names of what has one row per node; ask before changing the number of nodes."""
    return [name for name, owner in _owners(store._parent(), store).items() if owner == "node"]


def tell_owners(data: Any) -> None:
    """Writes down what belongs to nodes, edges and graphs, for parts in which no rule can tell."""
    data._store.__dict__["_owner"] = {
        **dict.fromkeys(data._store, "graph"),
        **_owners(data, data._store),
    }


def is_listed(value: Any) -> bool:
    """Whether a batch holds one list or array a graph: what PyG cannot put into a tensor."""
    return isinstance(value, list) and all(isinstance(v, list | tuple | np.ndarray) for v in value)


def _owners(data: Any, store: Any) -> dict[str, str]:
    """Who the rows of each attribute belong to, "node" or "edge"; those of neither are left out."""
    told = store.__dict__.get("_owner", {})
    # The store of a node type has no edges of its own, and that of an edge type no nodes.
    num_nodes = None if isinstance(store._key, tuple) else store.num_nodes
    num_edges = None if isinstance(store._key, str) else _num_edges(store)
    cuts = _cuts(data, store)
    nodes = store.ptr.cpu() if cuts and "ptr" in store else None
    edges = cuts.get("edge_index")
    edges = edges if isinstance(edges, Tensor) else None
    # Attributes of a graph are cut like edges where every graph has one edge.
    one_each = edges is not None and bool((edges.diff() == 1).all())
    found = {}
    for name in store:
        if name in told:
            owner = told[name]
        elif name in _OF_NEITHER or _is_of_chosen_pairs(store, name):
            continue
        elif name in cuts and not (nodes is None and edges is None):
            cut = _cut(store[name], cuts[name])
            of_nodes, of_edges = (
                cut is not None and at is not None and torch.equal(cut, at) for at in (nodes, edges)
            )
            of_edges = of_edges and (_names_edges(name) or not one_each)
            owner = _decide(name, of_nodes, of_edges)
        else:
            rows = _rows(data, store, name)
            of_nodes, of_edges = (rows is not None and rows == n for n in (num_nodes, num_edges))
            owner = _decide(name, of_nodes, of_edges)
        if owner in ("node", "edge"):
            found[name] = owner
    return found


def _decide(name: str, of_nodes: bool, of_edges: bool) -> str | None:
    if of_nodes and of_edges:
        return "edge" if _names_edges(name) else "node"
    return "node" if of_nodes else "edge" if of_edges else None


def _names_edges(name: str) -> bool:
    return "edge" in name or name in E_KEYS


def _is_of_chosen_pairs(store: Any, name: str) -> bool:
    """Pairs of nodes that are no edges of the graph, such as those to learn from, and theirs."""
    if name == "edge_index":
        return False
    if "edge_index" in name or "edge_label" in name:
        return True
    # `across_edge_weight` goes with `across_edge_index`.
    prefix, edge, _ = name.partition("edge_")
    return bool(prefix and edge) and f"{prefix}edge_index" in store


def _num_edges(store: Any) -> int:
    return int(store["edge_index"].size(1) if "edge_index" in store else store.num_edges)


def _rows(data: Any, store: Any, name: str) -> int | None:
    """How many rows an attribute has; None where it has none."""
    value = store[name]
    if isinstance(value, list | tuple | TensorFrame):
        return len(value)
    if not isinstance(value, Tensor | np.ndarray) or value.ndim == 0:
        return None
    dim = data.__cat_dim__(name, value, store)
    return int(value.shape[dim]) if isinstance(dim, int) else None


def _cut(value: Any, cuts: Any) -> Tensor | None:
    """Where the rows of each graph begin and end in a batch."""
    if is_listed(value):
        return _pointer_of(value)
    return torch.as_tensor(cuts) if isinstance(value, Tensor | np.ndarray) else None


def _pointer_of(listed: list[Any]) -> Tensor:
    return torch.tensor([0, *map(len, listed)]).cumsum(0)


def _cuts(data: Any, store: Any) -> dict[str, Any]:
    """Where a batch cuts each attribute of a store into those of its graphs; {} for one graph."""
    top = data._global_store if isinstance(data, HeteroData) else data._store
    whole: dict[str, Any] = top.__dict__.get("_slice_dict") or {}
    return whole if store._key is None else whole.get(store._key, {})


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
        if graph is not None and is_listed(value) and name in _cuts(data, store):
            store[name] = _take_listed(value, index.cpu())
        elif isinstance(value, np.ndarray):
            store[name] = value.take(index.cpu().numpy(), data.__cat_dim__(name, value, store))
        elif isinstance(value, Tensor) and value.layout == torch.sparse_csr:
            store[name] = take_rows(value, index)
        else:
            dim = data.__cat_dim__(name, value, store) if isinstance(value, Tensor) else 0
            at = index.to(getattr(value, "device", "cpu"))
            # For `edge_index` twice as fast as index_select.
            store[name] = value[..., at] if dim == -1 else select(value, at, dim)
    reslice(data, store, names, graph)


def _take_listed(value: list[Any], index: Tensor) -> list[Any]:
    """The rows `index` of lists or arrays, one a graph."""
    start = _pointer_of(value)
    graph = torch.bucketize(index, start[1:], right=True)
    counts = torch.bincount(graph, minlength=len(value)).tolist()
    rows = (index - start[graph]).split(counts)
    return [
        part[row.numpy()] if isinstance(part, np.ndarray) else [part[i] for i in row.tolist()]
        for part, row in zip(value, rows, strict=True)
    ]


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
    if book(data, store, "_slice_dict") is not None and graph is not None:
        recut(data, store, names, rising_pointer(graph, data._num_graphs))


def recut(data: Graph, store: Any, names: list[str], ptr: Tensor) -> None:
    """Tells a `Batch` where it cuts the named attributes now."""
    slices, incs = book(data, store, "_slice_dict"), book(data, store, "_inc_dict")
    if slices is None or incs is None:
        return
    for name in names:
        if is_listed(store[name]):  # cut by itself
            continue
        # What was never collated (`batch`, `e_batch`) is not taken apart either.
        if name in slices or name == "edge_weight":
            slices[name] = ptr.cpu()
            incs.setdefault(name, torch.zeros(len(ptr) - 1, dtype=torch.long))
        if f"{name}_ptr" in store:
            store[f"{name}_ptr"] = ptr


def recount(data: Any, ptr: Tensor) -> None:
    """Tells a `Batch` of `Data` where the nodes of each of its graphs begin now."""
    store = data._store
    data.ptr = ptr
    if "num_nodes" in store:
        data.num_nodes = int(ptr[-1])
    incs = book(data, store, "_inc_dict")
    if incs is not None:
        incs["edge_index"] = ptr[:-1].cpu()
    if "_num_nodes" in store.__dict__:
        store.__dict__["_num_nodes"] = ptr.diff().tolist()


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


def rising_pointer(graph: Tensor, num_graphs: int) -> Tensor:
    """`pointer` of rows that lie in order already: only the borders are looked for."""
    return torch.searchsorted(graph, torch.arange(num_graphs + 1, device=graph.device))
