"""All nodes as negatives but those near in the graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_count, check_node_pairs, check_views
from gcl.losses.weights.rules import without_pairs
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class FilteredNegatives:
    """All other nodes except those within some hops, which are likely of the anchor's class.

        lse_i = log sum_{j != i, distance(i, j) > hops} exp( <q_i, k_j> / tau )

    Distances are those of the undirected graph, found once at construction. The left-out pairs
    are a sorted list of 8 bytes each, so that nothing of size n x n is kept; dense neighbourhoods
    of several hops can still be as many, hence the budget.

    Args:
        edge_index: edges, in either or both directions; self-loops and repetitions are fine.
        num_nodes: number of nodes.
        hops: distance up to which a node is no negative, >= 1.
        budget: the largest number of left-out (ordered) pairs that is accepted.

    Shape:
        edge_index `[2, e]`; q, k `[n, d]`, tau a number, a scalar or `[n]` -> `[n]`; -inf for a
        node that has all others within its hops.

    Raises:
        TypeError, ValueError: bad edges, hops < 1, more pairs than the budget, or rows that are
            not one a node.

    Example:
        >>> z = torch.eye(4)
        >>> path = torch.tensor([[0, 1, 2], [1, 2, 3]])
        >>> FilteredNegatives(path, 4, hops=2)(z, z, 1.0).exp()
        tensor([1., 0., 0., 1.])
    """

    def __init__(
        self,
        edge_index: Int[Tensor, "2 e"],
        num_nodes: int,
        hops: int = 1,
        *,
        budget: int = 50_000_000,
    ):
        check_count("FilteredNegatives", num_nodes=num_nodes, hops=hops, budget=budget)
        check_node_pairs("FilteredNegatives", "edge_index", edge_index, num_nodes)
        near = within_hops(edge_index, num_nodes, hops, budget)
        if near is None:
            raise ValueError(
                f"FilteredNegatives: more than budget={budget} pairs lie within hops={hops}; take "
                "fewer hops, or a larger budget (8 bytes a pair)."
            )
        self.num_nodes, self.hops = num_nodes, hops
        self.rule = without_pairs(near.to(edge_index.device), num_nodes)

    @outside_graph
    def __call__(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("FilteredNegatives", q, k)
        if len(q) != self.num_nodes:
            raise ValueError(
                f"FilteredNegatives: expected a row for each of the {self.num_nodes} nodes, got "
                f"{len(q)}."
            )
        # Moved where the rows are, at the first call there.
        self.rule = self.rule.to(q.device)
        return streaming_logsumexp(q, k, tau=tau, exclude=True, log_weight=self.rule)

    def __repr__(self) -> str:
        return (
            f"FilteredNegatives({self.num_nodes} nodes, hops={self.hops}, "
            f"{len(self.rule.tensors[0])} pairs left out)"
        )


def within_hops(edge_index: Tensor, num_nodes: int, hops: int, budget: int) -> Tensor | None:
    """All ordered pairs i != j at most `hops` apart `[2, e]`; None if more than `budget`.

    The graph is made undirected.
    """
    rows, cols = edge_index.cpu().numpy()
    shape = (num_nodes, num_nodes)
    adjacency = sp.csr_array((np.ones(len(rows), dtype=bool), (rows, cols)), shape=shape)
    itself = sp.eye_array(num_nodes, dtype=bool, format="csr")
    reach = step = (adjacency + adjacency.T + itself).tocsr()
    for _ in range(hops - 1):
        grown = _product(reach, step, budget + num_nodes)
        if grown is None:
            return None
        if grown.nnz == reach.nnz:
            break  # whole components are reached
        reach = grown
    if reach.nnz - num_nodes > budget:
        return None
    found = reach.tocoo()
    pairs = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64))
    return pairs[:, pairs[0] != pairs[1]]


def _product(a: sp.csr_array, b: sp.csr_array, budget: int) -> sp.csr_array | None:
    """Boolean `a @ b` in groups of rows; None as soon as it holds more than `budget` entries."""
    # No row of the product holds more than the rows of b that it collects.
    most = np.minimum(a.astype(np.int64) @ np.diff(b.indptr), b.shape[1])
    group = np.cumsum(most) // max(1, budget)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    parts, total = [], 0
    for first, last in zip(starts, [*starts[1:], a.shape[0]], strict=True):
        part = a[first:last] @ b
        total += part.nnz
        if total > budget:
            return None
        parts.append(part)
    return sp.vstack(parts, format="csr")
