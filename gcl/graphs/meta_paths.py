"""Meta-paths as users write them -> chains of edge types of a graph, or one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeAlias

from torch_geometric.data import HeteroData

from gcl.checks import check_count

# Relations that AddMetaPaths writes.
OURS = re.compile(r"(metapath|context)_\d+")
EdgeType: TypeAlias = tuple[str, str, str]
MetaPath: TypeAlias = Sequence[str] | Sequence[EdgeType]
# As an option of a recipe, which the command line reads, too.
MetaPaths: TypeAlias = list[list[str]] | list[list[EdgeType]]


def check_metapaths(metapaths: Any) -> list[list[Any]]:
    """Lists of node types or of edge types, as they were meant."""
    listed = isinstance(metapaths, Sequence) and not isinstance(metapaths, str)
    if not listed or any(isinstance(m, str) or not isinstance(m, Sequence) for m in metapaths):
        raise TypeError(
            "AddMetaPaths: metapaths must be a list of meta-paths, each a list of node types or of "
            f"edge types, such as [['paper', 'author', 'paper']]; got {metapaths!r}."
        )
    if not metapaths:
        raise ValueError("AddMetaPaths: metapaths is empty; give at least one meta-path.")
    checked: list[list[Any]] = []
    for m, metapath in enumerate(metapaths):
        if metapath and all(isinstance(kind, str) for kind in metapath):
            if len(metapath) < 2:
                raise ValueError(
                    f"AddMetaPaths: meta-path {m} names one node type; it needs a start and an end."
                )
            checked.append(list(metapath))
        elif metapath and all(_is_edge_type(step) for step in metapath):
            checked.append([as_edge_type(step) for step in metapath])
        else:
            raise TypeError(
                f"AddMetaPaths: meta-path {m} must hold node types, or edge types (source, "
                f"relation, target), got {metapath!r}."
            )
    return checked


def _is_edge_type(step: Any) -> bool:
    is_triple = isinstance(step, Sequence) and not isinstance(step, str) and len(step) == 3
    return is_triple and all(isinstance(name, str) for name in step)


def as_edge_type(step: Sequence[str]) -> EdgeType:
    source, relation, target = step
    return source, relation, target


def check_topk(topk: Any, num_metapaths: int) -> list[int | None]:
    """One k, or None, for every meta-path."""
    if topk is None or isinstance(topk, Integral):
        topk = [topk] * num_metapaths
    if not isinstance(topk, Sequence) or isinstance(topk, str):
        raise TypeError(f"AddMetaPaths: topk must be a whole number, None or a list, got {topk!r}.")
    if len(topk) != num_metapaths:
        raise ValueError(
            f"AddMetaPaths: topk must hold one number for each of {num_metapaths} meta-paths, got "
            f"{len(topk)}."
        )
    for k in topk:
        if k is not None:
            check_count("AddMetaPaths", topk=k)
    return [None if k is None else int(k) for k in topk]


def resolve(data: HeteroData, metapaths: list[list[Any]]) -> list[tuple[EdgeType, ...]]:
    """Meta-paths as chains of edge types of this graph, all from one type to itself."""
    chains: list[tuple[EdgeType, ...]] = []
    for m, metapath in enumerate(metapaths):
        if isinstance(metapath[0], str):
            steps = enumerate(pairwise(metapath), 1)
            chain = [_only_edge_type(data, m, step, *ends) for step, ends in steps]
        else:
            chain = metapath
            _check_chain(data, m, chain)
        start, end = chain[0][0], chain[-1][2]
        if start != end:
            raise ValueError(
                f"AddMetaPaths: meta-path {m} starts at {start!r}, so step {len(chain)} must end "
                f"there, but it ends at {end!r}; append the way back."
            )
        if chains and start != chains[0][0][0]:
            raise ValueError(
                f"AddMetaPaths: meta-path {m} starts at {start!r} in step 1, meta-path 0 at "
                f"{chains[0][0][0]!r}; all must start and end at one target type."
            )
        chains.append(tuple(chain))
    return chains


def _only_edge_type(data: HeteroData, m: int, step: int, source: str, target: str) -> EdgeType:
    """The edge type that leads from one node type to another."""
    where = f"AddMetaPaths: step {step} of meta-path {m}, {source!r} -> {target!r}"
    for kind in (source, target):
        if kind not in data.node_types:
            named = any(kind in (name[0], name[2]) for name in data.edge_types)
            hint = f" Edges name it: set data[{kind!r}].num_nodes." if named else ""
            raise ValueError(
                f"{where}: there is no node type {kind!r}; known are "
                f"{', '.join(data.node_types)}.{hint}"
            )
    found = [
        name
        for name in data.edge_types
        if (name[0], name[2]) == (source, target) and not OURS.fullmatch(name[1])
    ]
    if not found:
        raise ValueError(
            f"{where}: no edge type leads there; add reverse edges by "
            "torch_geometric.transforms.ToUndirected, or change the meta-path."
        )
    if len(found) > 1:
        raise ValueError(
            f"{where}: {len(found)} edge types lead there; give the meta-path as edge types, here "
            f"one of {', '.join(map(str, found))}."
        )
    return found[0]


def _check_chain(data: HeteroData, m: int, chain: list[EdgeType]) -> None:
    for step, edge_type in enumerate(chain, 1):
        if edge_type not in data.edge_types:
            raise ValueError(
                f"AddMetaPaths: step {step} of meta-path {m}: there is no edge type {edge_type}; "
                f"known are {', '.join(map(str, data.edge_types))}."
            )
        if step > 1 and edge_type[0] != chain[step - 2][2]:
            raise ValueError(
                f"AddMetaPaths: step {step} of meta-path {m} must start at "
                f"{chain[step - 2][2]!r}, where step {step - 1} ends, got {edge_type}."
            )


def metapaths_of(owner: str, data: HeteroData, metapaths: list[list[Any]] | None) -> list[Any]:
    """The meta-paths that were given, or those that the graph names, checked.

    Raises:
        TypeError: no lists of types.
        ValueError: none are given and the graph names none.
    """
    given = data.get("metapaths") if metapaths is None else metapaths
    if given is None:
        raise ValueError(
            f"{owner}: this graph names no meta-paths of its own; give some as lists of node "
            "types: AddMetaPaths([['paper', 'author', 'paper']])."
        )
    return check_metapaths(given)


def metapath_contexts(data: HeteroData) -> dict[EdgeType, list[list[EdgeType]]]:
    """The edge type of every meta-path, with the chain of edge types of each interior position.

    Args:
        data: a graph that `AddMetaPaths` has written to, moved or copied since or not.

    Raises:
        ValueError: it has not.
    """
    if "context_dict" not in data:
        raise ValueError("The graph has no meta-path graphs; apply AddMetaPaths to it first.")
    return {
        name: [[as_edge_type(step) for step in chain] for chain in chains]
        for name, chains in data.context_dict.items()
    }
