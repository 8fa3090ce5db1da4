"""What of a graph belongs to its nodes, its edges and its lists of pairs, told once for batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import E_KEYS, N_KEYS

from gcl.contracts import Graph
from gcl.graphs.pair_lists import pair_lists
from gcl.graphs.rows import without_helpers
from gcl.graphs.selection import edge_attributes, node_attributes

# Names that say what they belong to where a graph has as many edges as nodes.
_OF_NODES = N_KEYS | {"y", "degree", "community", "community_strength", "n_id", "ids"}
_TAKEN = ("n_id", "e_id", "input_id", "batch_size")


class Attributes(NamedTuple):
    """Names of what a store holds by rows.

    Attributes:
        nodes: with one row a node.
        edges: with one row an edge, `edge_index` excluded.
        pairs: lists of pairs of nodes beside the edges, and what has one entry a pair.
    """

    nodes: list[str]
    edges: list[str]
    pairs: dict[str, list[str]]


def classify(owner: str, data: Graph, store: Any) -> Attributes:
    """Names of what belongs to nodes, edges and pairs of a store of a whole graph.

    By length in the whole graph and by name, so that no batch decides it anew by its own numbers.

    Args:
        owner: who asks, for messages.
        data: the whole graph.
        store: one of its stores.

    Raises:
        ValueError: an attribute of as many rows as there are nodes and edges whose name does not
            tell; one of another length than its name tells; one that holds node numbers and is no
            list of pairs; a name that batches need.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> classify("here", data, data._store).nodes
        ['x', 'y']
    """
    for name in _TAKEN:
        if name in store:
            raise ValueError(
                f"{owner}: the graph has {name}, as a batch has; give the graph it was taken from, "
                "or rename it."
            )
    pairs = pair_lists(store)
    followers = {name for names in pairs.values() for name in names}
    for name in store:
        if name not in pairs and name != "edge_index" and ("index" in name or name == "face"):
            raise ValueError(
                f"{owner}: {name!r} looks like node numbers, which change in a batch; name a list "
                "of pairs <prefix>_edge_index, rename what is something else, or take it out."
            )
    in_store = isinstance(store._key, tuple) or not isinstance(data, HeteroData)
    edges = edge_attributes(data, store) if in_store and "edge_index" in store else []
    nodes = node_attributes(store) if not isinstance(store._key, tuple) else []
    if nodes and edges and store.num_nodes == store.edge_index.shape[1]:
        for name in (*nodes, *edges):
            if name not in pairs and name not in followers and not _tells(name):
                raise ValueError(
                    f"{owner}: {name!r} has {store.num_nodes} rows, and there are as many nodes as "
                    f"edges; call it node_{name} or edge_{name}, so that its name tells."
                )
    check_lengths(
        owner,
        store,
        None if isinstance(store._key, tuple) else store.num_nodes,
        store.edge_index.shape[1] if in_store and "edge_index" in store else None,
    )
    chosen = {*pairs, *followers, "edge_index"}
    return Attributes(
        [name for name in nodes if name not in chosen],
        [name for name in edges if name not in chosen],
        pairs,
    )


def check_lengths(owner: str, values: Any, num_nodes: int | None, num_edges: int | None) -> None:
    """That what belongs to nodes or edges by its name has a row for each.

    Labels may be one, of the graph; labels and masks may leave out helper rows.

    Args:
        owner: who asks, for messages.
        values: attributes of one graph by name.
        num_nodes: how many there are; what belongs to nodes is not looked at if None.
        num_edges: likewise.

    Raises:
        ValueError: one has another number of rows: it would stay as it is in a batch.

    Example:
        >>> import torch
        >>> check_lengths("here", {"train_mask": torch.ones(3) > 0}, 4, 6)
        Traceback (most recent call last):
        ...
        ValueError: here: train_mask has 3 rows, and there are 4 nodes; give one row for each, ...
    """
    pairs = pair_lists(values)
    followers = {name for names in pairs.values() for name in names}
    # Weights of edges are looked at by themselves: see check_edge_weight.
    free = {*pairs, *followers, *_OF_COLUMNS, "edge_weight"}
    for name, value in values.items():
        rows = _length(value)
        if rows is None or name in free or "index" in name or "label" in name:
            continue
        mask = name.endswith("mask")
        if name.startswith("edge_") or name in E_KEYS:
            count, what = num_edges, "edges"
        elif "edge" not in name and (name in _OF_NODES or name.startswith("node_") or mask):
            count, what = num_nodes, "nodes"
        else:
            continue
        known = {count, 1} if name == "y" else {count}
        if count is not None and rows not in known and (name == "y" or mask):
            known.add(len(without_helpers(torch.arange(count), values)))
        if count is not None and rows not in known:
            raise ValueError(
                f"{owner}: {name} has {rows} rows, and there are {count} {what}; give one row for "
                "each, or rename what is something else."
            )


_OF_COLUMNS = ("edge_feature_names", "feature_names", "classes", "categories", "columns_made")


def _length(value: Any) -> int | None:
    if isinstance(value, Tensor | np.ndarray):
        return int(value.shape[0]) if value.ndim else None
    return len(value) if isinstance(value, list | tuple) else None


def _tells(name: str) -> bool:
    of_edges = "edge" in name or name in E_KEYS
    return of_edges or name in _OF_NODES or "node" in name or name.endswith("mask")
