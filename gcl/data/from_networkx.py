"""A graph from networkx."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import networkx as nx
from torch_geometric.data import Data

from gcl.checks import shown
from gcl.data.columns import Categories
from gcl.data.from_edges import from_edges


def from_networkx(
    graph: Any,
    *,
    weight: str | None = None,
    features: Any = None,
    edge_features: Sequence[str] | None = None,
    label: str | None = None,
    categories: Categories = "one_hot",
    max_categories: int = 50,
    like: Data | str | PathLike[str] | None = None,
) -> Data:
    """A graph of networkx, its attributes read as the columns of `gcl.data.from_edges` are.

    Unlike `torch_geometric.utils.from_networkx` it takes attributes that some nodes lack, and
    words; the edges are the same, parallel ones merged.

    Args:
        graph: a `Graph` or `DiGraph`, or one of several edges between two nodes; directed as it is.
        weight: the attribute of edges for `edge_weight`; "weight", in letters of any case, if None
            and some edge has one.
        features: attributes of nodes for x, all but the label if None; or a matrix with a row a
            node, in the order of `graph.nodes`.
        edge_features: attributes of edges for `edge_attr`; all others if None.
        label: the attribute of nodes with classes.
        categories, max_categories, like: see `gcl.data.from_edges`.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]`, edge_attr `[e, g]`, y `[n]`; `ids` are
        the nodes, as whole numbers or text.

    Raises:
        TypeError: no graph of networkx.
        ValueError: as `gcl.data.from_edges`; two nodes that read alike, such as 1 and "1".

    Example:
        >>> graph = nx.Graph([("ann", "bob"), ("bob", "cay")])
        >>> graph.nodes["ann"]["age"] = 30
        >>> data = from_networkx(graph)
        >>> data.ids.tolist(), data.feature_names, data.edge_index.tolist()
        (['ann', 'bob', 'cay'], ['age', 'age=missing'], [[0, 1, 1, 2], [1, 0, 2, 1]])
    """
    if not isinstance(graph, nx.Graph):
        raise TypeError(
            f"from_networkx: expected a graph of networkx, got {shown(graph)}; tables of edges are "
            "for from_edges."
        )
    listed = list(graph.edges(data=True))
    edges = {
        _SOURCE: [u for u, _, _ in listed],
        _TARGET: [v for _, v, _ in listed],
        **_columns([found for _, _, found in listed]),
    }
    nodes = {_ID: list(graph.nodes), **_columns([found for _, found in graph.nodes(data=True)])}
    return from_edges(
        {name: _named(column) if name in _ENDS else column for name, column in edges.items()},
        {name: _named(column) if name == _ID else column for name, column in nodes.items()},
        source=_SOURCE,
        target=_TARGET,
        weight=weight,
        id=_ID,
        features=features,
        edge_features=edge_features,
        label=label,
        directed=graph.is_directed(),
        categories=categories,
        max_categories=max_categories,
        like=like,
    )


# No attribute is called so.
_SOURCE, _TARGET, _ID = _ENDS = "(source)", "(target)", "(node)"


def _named(nodes: list[Any]) -> list[Any]:
    """Nodes of any kind, such as pairs, as text."""
    return [node if isinstance(node, int | str) else str(node) for node in nodes]


def _columns(rows: list[dict[Any, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}
