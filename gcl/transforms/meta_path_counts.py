"""How many paths a meta-path has between two nodes: sparse products, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.graphs.meta_paths import EdgeType

# Products of two entries that are summed at a time: some 100 MB.
CHUNK = 1 << 22
# How equal scores are decided: by lot, by the smaller index, or as the released code does.
TIES = ("random", "index", "legacy")


class Incidence:
    """Incidence matrices of edge types and products of them, each computed once."""

    def __init__(self, data: HeteroData):
        self.data = data
        self.device = torch.device("cpu")
        self._products: dict[tuple[EdgeType, ...], Any] = {}

    def of(self, edge_type: EdgeType) -> Any:
        """How many edges lead from i to j, SciPy CSR of int64."""
        if (edge_type,) not in self._products:
            sizes = self._size(edge_type, 0), self._size(edge_type, 2)
            edge_index = self.data[edge_type].get("edge_index")
            _check_edge_index(edge_type, edge_index, sizes)
            self.device = edge_index.device
            row, col = edge_index.cpu().numpy()
            counts = sp.coo_array((np.ones(len(row), np.int64), (row, col)), shape=sizes).tocsr()
            counts.sort_indices()
            self._products[(edge_type,)] = counts
        return self._products[(edge_type,)]

    def two_factors(self, chain: tuple[EdgeType, ...]) -> tuple[Any, Any]:
        """Two matrices whose product is that of the chain, the cheapest products done first."""
        parts: list[tuple[EdgeType, ...]] = [(edge_type,) for edge_type in chain]
        for edge_type in chain:
            self.of(edge_type)
        if len(parts) == 1:
            only = self._products[parts[0]]
            return only, sp.csr_array(sp.identity(only.shape[1], dtype=np.int64))
        known = self._products
        while len(parts) > 2:
            costs = [
                0 if a + b in known else int(_work(known[a], known[b]).sum())
                for a, b in pairwise(parts)
            ]
            at = int(np.argmin(costs))
            a, b = parts[at : at + 2]
            if a + b not in known:
                known[a + b] = known[a] @ known[b]
                known[a + b].sort_indices()
            parts[at : at + 2] = [a + b]
        return known[parts[0]], known[parts[1]]

    def _size(self, edge_type: EdgeType, end: int) -> int:
        kind = edge_type[end]
        if kind not in self.data.node_types or not self.data[kind].can_infer_num_nodes:
            raise ValueError(
                f"AddMetaPaths: node type {kind!r} of {edge_type} has no number of nodes; set "
                f"data[{kind!r}].x or data[{kind!r}].num_nodes."
            )
        return int(self.data[kind].num_nodes)


def _check_edge_index(edge_type: EdgeType, edge_index: Any, sizes: tuple[int, int]) -> None:
    if not isinstance(edge_index, Tensor) or edge_index.dtype != torch.int64:
        got = edge_index.dtype if isinstance(edge_index, Tensor) else type(edge_index).__name__
        raise TypeError(f"AddMetaPaths: edge_index of {edge_type} must be int64, got {got}.")
    if edge_index.dim() != 2 or len(edge_index) != 2:
        raise ValueError(
            f"AddMetaPaths: edge_index of {edge_type} must be [2, e], got {list(edge_index.shape)}."
        )
    for ends, size in zip(edge_index, sizes, strict=True):
        if len(ends) and not 0 <= int(ends.min()) <= int(ends.max()) < size:
            raise ValueError(
                f"AddMetaPaths: edge_index of {edge_type} must lie in [0, {size}), got values from "
                f"{int(ends.min())} to {int(ends.max())}."
            )


def path_counts(
    m: int,
    incidence: Incidence,
    chain: tuple[EdgeType, ...],
    k: int | None,
    similarity: str,
    budget: int,
    ties: str = "index",
    seed: int = 0,
) -> Any:
    """T: the path counts, in every row the k most similar of them."""
    generator = np.random.default_rng([seed, m]) if ties == "random" else None
    steps = [incidence.of(edge_type) for edge_type in chain]
    _check_range(m, steps)
    left, right = incidence.two_factors(chain)
    is_palindrome = all(_same(a, b.T) for a, b in zip(steps, reversed(steps), strict=True))
    back = None if is_palindrome else (right.T.tocsr(), left.T.tocsr())
    own = np.asarray(left.multiply(right.T.tocsr()).sum(axis=1))

    def shorten(counts: Any, first: int, last: int) -> Any:
        if k is None:
            return counts
        row = np.repeat(np.arange(first, last), np.diff(counts.indptr))
        if similarity == "count":
            score = counts.data.astype(np.float64)
        else:
            mirrored = None if back is None else back[0][first:last] @ back[1]
            there, back_home = own[row], own[counts.indices]
            score = _pathsim(counts, mirrored, there + back_home)
            # A node that no path leads back to has no PathSim: the chance of a random walk.
            walk = counts.data / np.asarray(counts.sum(axis=1))[row - first]
            score = np.where((there > 0) & (back_home > 0), score, walk)
        if ties == "legacy":
            return keep_top_unstable(counts, score, k)
        score[row == counts.indices] = np.inf
        return keep_top(counts, score, k, generator)

    kept = product_in_blocks(left, right, 20, budget, shorten)
    if kept is None:
        raise ValueError(
            f"AddMetaPaths: meta-path {m} joins more pairs of nodes than fit in budget={budget} "
            "bytes; give it a (smaller) topk, or raise budget."
        )
    return kept


def _check_range(m: int, steps: list[Any]) -> None:
    paths = np.ones(steps[-1].shape[1])
    for step in reversed(steps):
        paths = step.astype(np.float64) @ paths
        if len(paths) and paths.max() >= 2.0**62:
            raise ValueError(
                f"AddMetaPaths: meta-path {m} has more than 2^62 paths from a node, too many to "
                "count in int64; shorten it."
            )


def _same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and (a != b.tocsr()).nnz == 0


def _pathsim(counts: Any, mirrored: Any, both_own: np.ndarray) -> np.ndarray:
    if mirrored is None:
        there_and_back = 2 * counts.data
    else:
        mirrored.sort_indices()
        there_and_back = (counts + mirrored.multiply(counts.astype(bool))).data
    return there_and_back / np.where(both_own == 0, 1, both_own)


def product_in_blocks(
    left: Any, right: Any, entry_bytes: int, budget: int, shorten: Any = None
) -> Any:
    """The product, in blocks of rows that are shortened at once; None beyond the budget."""
    parts, entries = [], 0
    for first, last in row_blocks(_work(left, right), CHUNK):
        block = left[first:last] @ right
        block.sort_indices()
        if shorten is not None:
            block = shorten(block, first, last)
        entries += block.nnz
        if entry_bytes * entries > budget:
            return None
        parts.append(block)
    if not parts:
        return left @ right
    return sp.vstack(parts, format="csr")


def _work(left: Any, right: Any) -> np.ndarray:
    """Products of two entries that every row of `left @ right` sums."""
    pattern = sp.csr_array(
        (np.ones(left.nnz, dtype=np.int64), left.indices, left.indptr), shape=left.shape
    )
    return np.asarray(pattern @ np.diff(right.indptr).astype(np.int64))


def keep_top(
    matrix: Any, score: np.ndarray, k: int, generator: np.random.Generator | None = None
) -> Any:
    """The k entries of the largest score in every row, of shorter rows all.

    Equal scores are decided by the larger entry, then by lot, or without a generator by the
    smaller column.

    Args:
        matrix: SciPy CSR, columns rising in every row.
        score: one number for each stored entry, in their order.
        k: at least 1.
        generator: draws the lots; a number for every entry of a row that is too long, in order,
            so that the result does not depend on how rows are blocked.

    Returns:
        SciPy CSR of the same shape, columns rising.
    """
    length = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(length)), length)
    (long,) = (length > k)[row].nonzero()
    if not len(long):
        return matrix
    # Sorts are stable, so that without lots equal entries stay in the order of their columns.
    lots = np.zeros(len(long)) if generator is None else generator.random(len(long))
    order = long[np.lexsort((lots, -matrix.data[long], -score[long], row[long]))]
    first = np.cumsum(np.where(length > k, length, 0)) - length
    rank = np.arange(len(order)) - first[row[order]]
    kept = np.ones(len(row), dtype=bool)
    kept[order[rank >= k]] = False
    indptr = np.concatenate([[0], np.cumsum(np.minimum(length, k))])
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def keep_top_unstable(matrix: Any, score: np.ndarray, k: int) -> Any:
    """The k last entries of each dense row in the order of NumPy's unstable sort.

    What the released code of MEOW does. Which of equal entries are kept, and whether the diagonal
    is, depends on the version of NumPy and on the processor.
    """
    kept = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
        dense = np.zeros(matrix.shape[1])
        dense[matrix.indices[stored]] = score[stored]
        kept[stored] = np.isin(matrix.indices[stored], np.argsort(dense)[-k:])
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[kept]
    counts = np.bincount(rows, minlength=matrix.shape[0])
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def row_blocks(work: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose work sums to the limit at most, or of a single row beyond it."""
    total = np.concatenate([[0], np.cumsum(work)])
    start = 0
    while start < len(work):
        stop = int(np.searchsorted(total, total[start] + limit, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop
