"""What `A_hat` of a GCN can become when every node loses no more edges than its budget."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.ops.propagation import Adjacency
from gcl.ops.structure import Structure, structure


class AdjacencyBounds(NamedTuple):
    """Entry-wise bounds `0 <= lower <= A_hat <= upper` on one edge list.

    The middle is `(upper + lower) / 2`, the spread `(upper - lower) / 2`.
    """

    lower: Adjacency
    upper: Adjacency
    middle: Adjacency
    spread: Adjacency


def adjacency_bounds(
    edge_index: Int[Tensor, "2 e"],
    edge_weight: Float[Tensor, " e"] | None,
    num_nodes: int,
    budget: Int[Tensor, " n"],
    *,
    symmetric: bool = False,
    dtype: torch.dtype = torch.float32,
) -> AdjacencyBounds:
    """Bounds of GCN's `A_hat` over all graphs in which node i loses at most `budget_i` edges.

    With the weight D_i that arrives at node i, the most delta_i of it that can be lost (the
    `budget_i` largest weights) and a self-loop of weight 1:

        upper_ij = w_ij / sqrt( (1 + D_i - delta_i) (1 + D_j - delta_j) )
        upper_ii = 1 / (1 + D_i - delta_i),   lower_ii = 1 / (1 + D_i)
        lower_ij = 0, or w_ij / sqrt( (1 + D_i) (1 + D_j) ) where the edge cannot be lost

    A self-loop of the list has its own weight in place of 1; as it may be dropped too, both count.

    Args:
        edge_index: the full edge list.
        edge_weight: >= 0, or None for ones; an edge of weight 0 is no edge.
        num_nodes: number of nodes.
        budget: how many of the edges that arrive at a node it may lose, >= 0.
        symmetric: both directions of an edge go together, so an edge stays where either end has
            budget 0. Ignored where the list does not hold both directions of every edge.
        dtype: of the entries; they are computed in float64.

    Shape:
        edge_index `[2, e]`, edge_weight `[e]`, budget `[n]`.

    Raises:
        ValueError: weights that are negative or not finite, a budget of another length.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023. Their code has
        lower_ij = 0 for every edge, and stores both matrices dense.

    Example:
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> bounds = adjacency_bounds(path, None, 3, torch.tensor([0, 1, 0]))
        >>> one = torch.eye(3)[:, :1]  # the column of node 0
        >>> (bounds.lower @ one).flatten(), (bounds.upper @ one).flatten()
        (tensor([0.5000, 0.0000, 0.0000]), tensor([0.5000, 0.5000, 0.0000]))
    """
    if budget.shape != (num_nodes,):
        raise ValueError(
            f"bounds: budget must hold {num_nodes} numbers, one a node, got {list(budget.shape)}."
        )
    pattern = structure(edge_index, num_nodes)
    row, col = pattern.row, pattern.col
    budget = budget.to(row.device)
    weight = torch.ones(pattern.num_edges, dtype=torch.float64, device=row.device)
    if edge_weight is not None:
        weight = pattern.to_slots(edge_weight.detach().view(-1).double())
        if not bool((weight >= 0).all() & weight.isfinite().all()):
            raise ValueError("bounds: edge_weight must hold finite numbers >= 0.")
    least = weight.new_ones(num_nodes)
    most = least.clone()
    if pattern.loops is not None:
        is_loop = pattern.loops[0]
        at, own = row[is_loop], torch.where(weight[is_loop] > 0, weight[is_loop], 1.0)
        least.scatter_reduce_(0, at, own, "amin")
        most.scatter_reduce_(0, at, own, "amax")
        weight = weight.masked_fill(is_loop, 0.0)
    degree = weight.new_zeros(num_nodes).index_add_(0, row, weight)
    movable = (weight > 0) & (budget[row] > 0)
    if symmetric and _both_directions(pattern, weight):
        movable &= budget[col] > 0
    if edge_weight is None:
        count = budget.new_zeros(num_nodes).index_add_(0, row, movable.to(budget.dtype))
        removed = torch.minimum(count, budget).double()
    else:
        removed = _largest(pattern, weight * movable, budget)
    remains = (degree - removed).clamp(min=0)
    thin, full = (least + remains).rsqrt(), (most + degree).rsqrt()
    stays = (weight * full[row] * full[col]).masked_fill(movable, 0.0)
    lower = Adjacency(pattern, stays.to(dtype), (least / (least + degree)).to(dtype))
    upper = Adjacency(
        pattern, (weight * thin[row] * thin[col]).to(dtype), (most / (most + remains)).to(dtype)
    )
    return AdjacencyBounds(lower, upper, _combine(upper, lower, 0.5), _combine(upper, lower, -0.5))


def _both_directions(pattern: Structure, weight: Tensor) -> bool:
    if pattern.partner is None:
        return False
    slots = pattern.transpose[2]
    # An edge whose reverse has weight 0 costs the other end nothing.
    return bool(((weight > 0) == (weight[slots] > 0)).all())


def _largest(pattern: Structure, values: Tensor, count: Tensor) -> Tensor:
    """Sum of the `count_i` largest values of every row."""
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(pattern.row[order], stable=True)]  # rows in order again
    rank = torch.arange(len(values), device=values.device) - pattern.rowptr[pattern.row]
    taken = values[order] * (rank < count[pattern.row])
    return values.new_zeros(pattern.num_dst).index_add_(0, pattern.row, taken)


def _combine(a: Adjacency, b: Adjacency, sign: float) -> Adjacency:
    assert a.loop is not None
    assert b.loop is not None
    return Adjacency(a.pattern, 0.5 * a.values + sign * b.values, 0.5 * a.loop + sign * b.loop)
