"""What a graph must satisfy before anything is computed on it; one clear sentence where not."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from gcl.graphs.kinds import check_features, check_graph
from gcl.graphs.rows import without_helpers
from gcl.ops.blocks import count_bad_rows
from gcl.ops.structure import remember


def validate_graph(data: Any, *, codes: bool = False) -> None:
    """Refuses graphs that would fail late, or train on nonsense without failing.

    PyG's `Data.validate()` lets float edge lists, NaN features and edge attributes of the wrong
    length pass. This reads features and edges once, O(N * F + E), and changes nothing.

    Args:
        data: a `Data`, a `Batch` or a `HeteroData`; features dense or in a sparse layout. Node
            types without features are accepted beside others that have them.
        codes: features may be whole numbers, too: codes of categories, 0 where unknown.

    Weights of edges are read from `edge_weight`, and from nowhere else.

    Warns:
        UserWarning: `edge_attr` is a list of floats, as weights are, and there is no `edge_weight`.

    Raises:
        TypeError: if `data` is no graph, or an attribute has the wrong type.
        ValueError: if features are missing or not finite, edges point to nodes that do not exist,
            or lengths disagree.

    Example:
        >>> from torch_geometric.data import Data
        >>> edge_index = torch.tensor([[0, 1], [1, 5]])
        >>> validate_graph(Data(x=torch.ones(3, 2), edge_index=edge_index))
        Traceback (most recent call last):
        ...
        ValueError: data.edge_index: targets must lie in [0, 2] because there are 3 nodes, got 5.
    """
    check_graph("data", data)
    num_graphs = data.num_graphs if isinstance(data, Batch) else 1
    if isinstance(data, HeteroData):
        # data[kind] would create a type that is missing, so only existing ones are asked for.
        sizes = {
            kind: _check_nodes(data[kind], f"data[{kind!r}]", num_graphs, codes, x_required=False)
            for kind in data.node_types
        }
        for edge_type in data.edge_types:
            where = f"data[{edge_type!r}]"
            ends = edge_type[0], edge_type[2]
            for kind in ends:
                if kind not in sizes:
                    raise ValueError(
                        f"{where}: node type {kind!r} has no nodes; set data[{kind!r}].x "
                        f"or data[{kind!r}].num_nodes."
                    )
            _check_edges(data[edge_type], where, sizes[ends[0]], sizes[ends[1]])
    else:
        (store,) = data.stores
        num_nodes = _check_nodes(store, "data", num_graphs, codes, x_required=True)
        _check_edges(store, "data", num_nodes, num_nodes)


def _check_nodes(store: Any, where: str, num_graphs: int, codes: bool, x_required: bool) -> int:
    """The number of nodes of one type, once its attributes are found to be in order."""
    x = store.get("x")
    stated = store.get("num_nodes")
    if x is None:
        if x_required:
            raise ValueError(
                f"{where}.x: node features are missing; set x to a float tensor "
                "[num_nodes, num_features], for example with torch_geometric.transforms.Constant."
            )
        if stated is None:
            raise ValueError(f"{where}: neither features x nor num_nodes is set; give one of them.")
        num_nodes = int(stated)
    else:
        _check_features(x, f"{where}.x", codes)
        num_nodes = x.size(0)
        if stated is not None and int(stated) != num_nodes:
            raise ValueError(
                f"{where}.x: expected one row for each of the {stated} nodes of num_nodes, "
                f"got {num_nodes}."
            )
    y = store.get("y")
    # A label may belong to a node, or in graph-level tasks to a graph.
    labelled = isinstance(y, Tensor) and y.dim() > 0
    if labelled and not _are_labels(y.size(0), num_nodes, num_graphs):
        # A transform that adds helper rows may leave the labels as they were.
        if y.size(0) == len(without_helpers(torch.arange(num_nodes), store)):
            return num_nodes
        raise ValueError(
            f"{where}.y: expected one label for each of the {num_nodes} nodes, got {y.size(0)}."
        )
    return num_nodes


def _are_labels(rows: int, num_nodes: int, num_graphs: int) -> bool:
    # Several targets of a graph in one vector are put one after another in a batch.
    several = num_graphs > 1 and rows % num_graphs == 0
    return rows in (num_nodes, num_graphs) or several


def _check_features(x: Any, where: str, codes: bool) -> None:
    check_features(x, where, codes=codes)
    if not x.is_floating_point():
        if x.numel() and int(x.min()) < 0:
            raise ValueError(
                f"{where}: expected codes of categories, 0 where unknown, got {int(x.min())}; "
                "number them from 1."
            )
        return
    bad = _bad_rows(x.detach())
    if bad:
        raise ValueError(
            f"{where}: {bad} of {x.size(0)} rows hold NaN or infinity; "
            "repair them, for example with torch.nan_to_num."
        )


def _bad_rows(x: Tensor) -> int:
    """How many rows of a dense or sparse matrix hold a value that is not finite."""
    if x.layout == torch.strided:
        # The sum is finite for nearly every good matrix and needs no memory.
        if bool(x.sum().isfinite()):
            return 0
        return count_bad_rows(x)
    if x.layout != torch.sparse_csr:
        x = x.to_sparse_csr()
    bad = (~x.values().isfinite()).nonzero().flatten()
    return int(torch.searchsorted(x.crow_indices(), bad, right=True).unique().numel())


def _check_edges(store: Any, where: str, num_src: int, num_dst: int) -> None:
    edge_index = store.get("edge_index")
    if edge_index is None:
        raise ValueError(
            f"{where}.edge_index: edges are missing; set a [2, num_edges] tensor of int64, "
            "which may be empty."
        )
    if not isinstance(edge_index, Tensor) or edge_index.dtype != torch.int64:
        kind = edge_index.dtype if isinstance(edge_index, Tensor) else type(edge_index).__name__
        raise TypeError(f"{where}.edge_index: expected a tensor of int64, got {kind}.")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f"{where}.edge_index: expected the shape [2, num_edges], got {list(edge_index.shape)}."
        )
    num_edges = edge_index.size(1)
    if num_edges:
        for row, ends, limit in ((0, "sources", num_src), (1, "targets", num_dst)):
            low, high = (int(end) for end in edge_index[row].aminmax())
            if low < 0 or high >= limit:
                raise ValueError(
                    f"{where}.edge_index: {ends} must lie in [0, {limit - 1}] because there are "
                    f"{limit} nodes, got {low if low < 0 else high}."
                )
    for name in ("edge_weight", "edge_attr"):
        value = store.get(name)
        if value is not None:
            _check_edge_values(value, f"{where}.{name}", num_edges, name == "edge_weight")
    attr = store.get("edge_attr")
    weighted = store.get("edge_weight") is not None
    if attr is not None and not weighted and attr.dim() == 1 and attr.is_floating_point():
        remember(attr, ("told that it is no weight",), lambda: _tell_of_weights(where))


def _tell_of_weights(where: str) -> None:
    # Python shows it once a process, as it comes from here, and not once a caller or batch; a
    # program that changes its filters in between would see it again.
    warnings.warn(
        f"{where}.edge_attr holds one number an edge, and edge_attr is not read as weights "
        "(PyG's GDC and some loaders put them there): set edge_weight = edge_attr if they "
        "are, or edge_attr = edge_attr.unsqueeze(1) if they are features.",
        stacklevel=1,
    )


def _check_edge_values(value: Any, where: str, num_edges: int, is_weight: bool) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{where}: expected a torch tensor, got {type(value).__name__}.")
    if value.dim() == 0 or value.size(0) != num_edges:
        got = value.size(0) if value.dim() else "a single number"
        raise ValueError(
            f"{where}: expected one entry for each of the {num_edges} edges, got {got}."
        )
    if is_weight and value.dim() != 1:
        raise ValueError(f"{where}: expected the shape [{num_edges}], got {list(value.shape)}.")
    if is_weight and not value.is_floating_point():
        raise TypeError(f"{where}: expected floating-point weights, got {value.dtype}.")
    bad = count_bad_rows(value)
    if bad:
        raise ValueError(
            f"{where}: {bad} of {num_edges} entries hold NaN or infinity; repair them."
        )
