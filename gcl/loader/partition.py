"""A graph in parts of about the same size with few edges between them."""

from __future__ import annotations

import hashlib
import heapq
import importlib.util
import os
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from gcl import checkpoint
from gcl.checks import as_path, check_choice, check_count
from gcl.graphs.communities import find_communities

Engine: TypeAlias = Literal["auto", "metis", "communities"]


def partition(
    edge_index: Tensor,
    num_nodes: int,
    num_parts: int,
    *,
    engine: Engine = "auto",
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
) -> Tensor:
    """The part of every node: parts of about equal size, with few edges between them.

    Directions, loops, weights and copies of edges play no part.

    Args:
        edge_index: the edges.
        num_nodes: number of nodes.
        num_parts: how many parts, at most one a node.
        engine: "metis" (needs pymetis, the extra `partition`) finds parts of equal size; for
            "communities" those of `gcl.graphs.communities.find_communities` are packed, the largest
            first and cut where they do not fit. "auto" is "metis" where that is installed.
        seed: of the engine.
        cache: a file that keeps the answer, and is made anew for another graph or other arguments.

    Shape:
        edge_index `[2, e]` -> `[num_nodes]` int64 in [0, num_parts).

    Raises:
        ImportError: "metis" without pymetis.
        ValueError: more parts than nodes.

    Reference:
        Karypis and Kumar, "A fast and high quality multilevel scheme for partitioning irregular
        graphs", SIAM Journal on Scientific Computing 1998.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> partition(data.edge_index, 34, 2).bincount().max() <= 20
        tensor(True)
    """
    check_count("partition", num_parts=num_parts)
    check_choice("partition", "engine", engine, ("auto", "metis", "communities"))
    if num_parts > num_nodes:
        raise ValueError(
            f"partition: expected at most a part for each of the {num_nodes} nodes, got "
            f"num_parts={num_parts}."
        )
    installed = importlib.util.find_spec("pymetis") is not None
    if engine == "metis" and not installed:
        raise ImportError(
            "partition: METIS needs pymetis (pip install pymetis); engine='communities' does not."
        )
    by_metis = installed and engine != "communities"
    told = f"{'metis' if by_metis else 'communities'} {num_nodes} {num_parts} {seed}"
    digest = hashlib.sha256(told.encode())
    digest.update(np.ascontiguousarray(edge_index.cpu().numpy()).tobytes())
    about = digest.hexdigest()
    path = None if cache is None else as_path("partition", cache)
    if path is not None and path.is_file():
        kept = checkpoint.load(path)
        if isinstance(kept, dict) and kept.get("about") == about:
            return kept["parts"]
    if num_parts == 1:
        parts = torch.zeros(num_nodes, dtype=torch.long)
    elif by_metis:
        parts = _metis(edge_index, num_nodes, num_parts, seed)
    else:
        communities = find_communities(edge_index, num_nodes, seed=seed)
        parts = packed(communities.cpu(), num_parts)
    if path is not None:
        checkpoint.save({"about": about, "parts": parts}, path)
    return parts


def packed(groups: Tensor, num_parts: int) -> Tensor:
    """Groups of nodes put into parts of about equal size.

    Each goes, the largest first, to the part that has the fewest nodes; a group is cut into pieces
    that fit into an empty part.

    Shape:
        groups `[n]` int64 -> `[n]` int64 in [0, num_parts).

    Example:
        >>> packed(torch.tensor([0, 0, 0, 1, 1, 2]), 2)
        tensor([0, 0, 0, 1, 1, 1])
    """
    room = -(-len(groups) // num_parts)
    members = groups.argsort(stable=True).split(torch.bincount(groups).tolist())
    pieces = [piece for nodes in members for piece in nodes.split(room) if len(piece)]
    parts = torch.empty_like(groups)
    least = [(0, part) for part in range(num_parts)]
    for piece in sorted(pieces, key=len, reverse=True):
        size, part = heapq.heappop(least)
        parts[piece] = part
        heapq.heappush(least, (size + len(piece), part))
    return parts


def _metis(edge_index: Tensor, num_nodes: int, num_parts: int, seed: int) -> Tensor:
    import pymetis

    links = _links(edge_index, num_nodes)
    _, parts = pymetis.part_graph(
        num_parts,
        pymetis.CSRAdjacency(links.indptr, links.indices),
        options=pymetis.Options(seed=seed),
    )
    return torch.tensor(parts, dtype=torch.long)


def _links(edge_index: Tensor, num_nodes: int) -> Any:
    """Who is linked to whom in either direction; what it is made of is let go here."""
    source, target = edge_index.cpu().numpy().astype(np.int32)
    other = source != target
    if not other.all():
        source, target = source[other], target[other]
    ones = np.ones(len(source), dtype=np.int8)
    links = scipy.sparse.csr_array((ones, (source, target)), shape=(num_nodes, num_nodes))
    return links + links.T
