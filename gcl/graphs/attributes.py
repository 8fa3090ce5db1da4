"""What of a graph belongs to its nodes, its edges and its lists of pairs, told once for batches."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch_geometric.data import HeteroData
from torch_geometric.data.storage import E_KEYS, N_KEYS

from gcl.contracts import Graph
from gcl.graphs.pair_lists import pair_lists
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
            tell; one that holds node numbers and is no list of pairs; a name that batches need.

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
    chosen = {*pairs, *followers, "edge_index"}
    return Attributes(
        [name for name in nodes if name not in chosen],
        [name for name in edges if name not in chosen],
        pairs,
    )


def _tells(name: str) -> bool:
    of_edges = "edge" in name or name in E_KEYS
    return of_edges or name in _OF_NODES or "node" in name or name.endswith("mask")
