"""Ready rules for the weights of negatives: what `log_weight` of a softmax loss takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_count, check_node_pairs, shown
from gcl.ops.log_weight import LogWeight


def rank_one(
    row: Float[Tensor, " n"], col: Float[Tensor, " m"] | None = None, *, scale: float = 1.0
) -> LogWeight:
    """Weights that are a product of one number a row and one a column.

        log W_ij = scale * (row_i + col_j)

    With `row = col` the strength of each node's community this is CSGCL's team-up: its
    `cos + gamma (s_i + s_j)` before the division by tau is `scale = gamma / tau`. Gradients reach
    row and col. The rule reads their size once, so make a new one after changing them.

    Args:
        row: one number a row; -inf takes the row's pairs out.
        col: one number a column; the same as row if None, and the rule is then symmetric.
        scale: factor, a finite number other than 0 if there are infinite entries.

    Shape:
        row `[n]`, col `[m]` -> a rule for `[n, m]`.

    Raises:
        ValueError: not vectors, or with entries that are NaN or +inf.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023.

    Example:
        >>> rule = rank_one(torch.tensor([0.0, 1.0, 2.0]), scale=0.5)
        >>> rule(slice(1, 3), slice(0, 3))
        tensor([[0.5000, 1.0000, 1.5000],
                [1.0000, 1.5000, 2.0000]])
    """
    vectors = (row,) if col is None else (row, col)
    for v in vectors:
        if not isinstance(v, Tensor):
            raise TypeError(f"rank_one: row and col must be tensors, got {shown(v)}.")
        if v.dim() != 1:
            raise ValueError(
                f"rank_one: row and col must be vectors without NaN or +inf, got {list(v.shape)}."
            )
    # All that the host must know in one question to the device.
    facts = torch.stack([fact for v in vectors for fact in _facts(v.detach())]).tolist()
    for v, wrong in zip(vectors, facts[::2], strict=True):
        if wrong:
            raise ValueError(
                f"rank_one: row and col must be vectors without NaN or +inf, got {list(v.shape)}."
            )
    largest = facts[1::2]
    bound = abs(scale) * (largest[0] + largest[-1])
    shape = len(vectors[0]), len(vectors[-1])
    return LogWeight(_RankOne(scale), *vectors, symmetric=col is None, bound=bound, shape=shape)


def _facts(v: Tensor) -> tuple[Tensor, Tensor]:
    """Whether NaN or +inf is in it, and the largest finite size."""
    wrong = (v.isnan() | v.isposinf()).any().double()
    finite = torch.where(v.isfinite(), v.abs(), 0.0).double()
    return wrong, finite.max() if len(v) else torch.zeros_like(wrong)


@dataclass(frozen=True)
class _RankOne:
    scale: float

    def __call__(self, rows: slice, cols: slice, row: Tensor, col: Tensor | None = None) -> Tensor:
        col = row if col is None else col
        return self.scale * row[rows, None] + self.scale * col[cols]


def cluster_pairs(labels: Int[Tensor, "g n"]) -> LogWeight:
    """MEOW's weights: in how many of G clusterings two nodes are apart.

        W_ij = G - #{ g : labels_gi = labels_gj }

    Nodes that are together in all of them are no negatives (log W = -inf).

    Args:
        labels: cluster of every node in every clustering, any integers.

    Shape:
        labels `[g, n]` -> a rule for `[n, n]`.

    Raises:
        TypeError: labels are not integers.
        ValueError: not `[g, n]` with g >= 1.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-Path Contexts and
        Adaptively Weighted Negative Samples" (MEOW), SDM 2023.

    Example:
        >>> rule = cluster_pairs(torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]]))
        >>> rule(slice(0, 2), slice(0, 4)).exp()
        tensor([[0., 1., 2., 2.],
                [1., 0., 1., 1.]])
    """
    if not isinstance(labels, Tensor):
        raise TypeError(f"cluster_pairs: labels must be a tensor [g, n], got {shown(labels)}.")
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"cluster_pairs: labels must hold integers, got {labels.dtype}.")
    if labels.dim() != 2 or len(labels) < 1:
        raise ValueError(
            f"cluster_pairs: labels must be [g, n], one row a clustering, got {list(labels.shape)}."
        )
    # As floats, which hold 2^24 labels exactly: see `_apart`.
    compact = labels.unique(return_inverse=True)[1].float()
    n, bound = labels.shape[1], math.log(len(labels))
    return LogWeight(_cluster_pairs, compact, symmetric=True, bound=bound, shape=(n, n))


def _cluster_pairs(rows: slice, cols: slice, labels: Tensor) -> Tensor:
    first, *others = labels
    count = _apart(first[rows], first[cols])
    for c in others:
        count += _apart(c[rows], c[cols])
    if len(labels) > 2:
        return count.log_()
    # log of 0, 1 and 2 without the price of a logarithm.
    return torch.threshold_(count.sub_(1).mul_(math.log(2)), -0.5, -torch.inf)


def _apart(row: Tensor, col: Tensor) -> Tensor:
    """1 where two labels differ, else 0: a comparison of floats into floats runs in vectors."""
    return torch.ne(row[:, None], col, out=row.new_empty(len(row), len(col)))


def without_pairs(pairs: Int[Tensor, "2 e"], num_nodes: int) -> LogWeight:
    """Takes listed pairs out of the negatives; all others weigh 1.

    The pairs (i, j) and (j, i) are two: list both, and two-view losses can use each tile for both
    directions.

    Args:
        pairs: anchors and the candidates they shall not see; an `edge_index` is such a list.
        num_nodes: number of rows and of columns.

    Shape:
        pairs `[2, e]` -> a rule for `[n, n]`. Its memory is 8 bytes a pair.

    Raises:
        TypeError: pairs are not int64.
        ValueError: not `[2, e]`, or positions outside [0, num_nodes).

    Example:
        >>> rule = without_pairs(torch.tensor([[0, 2], [1, 0]]), 3)
        >>> rule(slice(0, 3), slice(0, 2)).exp()
        tensor([[1., 0.],
                [1., 1.],
                [0., 1.]])
    """
    check_count("without_pairs", least=0, num_nodes=num_nodes)
    check_node_pairs("without_pairs", "pairs", pairs, num_nodes)
    keys = (pairs[0] * num_nodes + pairs[1]).unique()
    turned = (keys % num_nodes * num_nodes + keys // num_nodes).sort().values if num_nodes else keys
    symmetric = torch.equal(keys, turned)
    return LogWeight(
        _WithoutPairs(num_nodes),
        keys,
        symmetric=symmetric,
        bound=0.0,
        shape=(num_nodes, num_nodes),
    )


@dataclass(frozen=True)
class _WithoutPairs:
    num_nodes: int

    def __call__(self, rows: slice, cols: slice, keys: Tensor) -> Tensor:
        """-inf at the pairs whose key `i * num_nodes + j`, all sorted, falls into the tile."""
        n = self.num_nodes
        at = torch.arange(rows.start, rows.stop, device=keys.device) * n
        first = torch.searchsorted(keys, at + cols.start)
        count = torch.searchsorted(keys, at + cols.stop) - first
        # The found keys of row r are keys[first[r] : first[r] + count[r]]; walk through them all.
        row = torch.repeat_interleave(torch.arange(len(at), device=keys.device), count)
        if not len(row):
            return torch.zeros(1, 1, device=keys.device)
        place = (
            torch.arange(len(row), device=keys.device) + (first - (count.cumsum(0) - count))[row]
        )
        tile = torch.zeros(len(at), cols.stop - cols.start, device=keys.device)
        tile[row, keys[place] - at[row] - cols.start] = -torch.inf
        return tile
