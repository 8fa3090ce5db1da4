"""Ready rules for the weights of negatives: what `log_weight` of a softmax loss takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gcl.autograd import first_order_only
from gcl.losses.checks import check_choice, check_columns, check_count, check_node_pairs
from gcl.losses.streaming import streaming_logsumexp
from gcl.losses.tiles import LogWeight


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
        if v.dim() != 1 or bool((v.isnan() | v.isposinf()).any()):
            raise ValueError(
                f"rank_one: row and col must be vectors without NaN or +inf, got {list(v.shape)}."
            )
    ends = [v.detach()[v.isfinite()] for v in vectors]
    largest = [float(v.abs().max()) if len(v) else 0.0 for v in ends]
    bound = abs(scale) * (largest[0] + largest[-1])
    shape = len(vectors[0]), len(vectors[-1])
    return LogWeight(_RankOne(scale), *vectors, symmetric=col is None, bound=bound, shape=shape)


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


class PairNetwork(nn.Module):
    r"""AdaMEOW's learnt weights: a small network on the sum of two rows.

        log W_ij = log sigmoid( w2^T act( W1 (q_i + k_j) + b1 ) + b2 )

    Give it to a loss as `log_weight=PairNetwork(64)` and train its parameters with the encoder's.
    Memory is a few tiles: the hidden units of a tile are visited one after another.

    The loss falls whenever all weights fall, so the network learns to make them all small before
    it tells pairs apart. `normalize` removes this direction: every row's weights over the other
    nodes then have mean 1,

        "mean"       W_ij <- (n - 1) W_ij / sum_{l != i} W_il
        "softmax"    the same of W_ij = exp(w2^T act(..) + b2), without the sigmoid

    Args:
        in_channels: width d of the rows.
        hidden: hidden units.
        act: "tanh" or "relu".
        normalize: "mean" or "softmax", which cost as much again, or "none", the published form.

    Shape:
        q `[n, d]`, k `[m, d]` -> a rule for `[n, m]`; `[n, n]` with normalize.

    Raises:
        ValueError: unknown act, sizes below 1, rows of another width.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-Path Contexts and
        Adaptively Weighted Negative Samples" (AdaMEOW), TKDE 2024. The published code builds all
        n^2 sums of two rows; `normalize` is ours.

    Example:
        >>> z = torch.eye(3, 4)
        >>> rule = PairNetwork(4)(z, z)
        >>> rule(slice(0, 2), slice(0, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int = 16,
        act: Literal["tanh", "relu"] = "tanh",
        *,
        normalize: Literal["mean", "softmax", "none"] = "mean",
    ):
        super().__init__()
        check_count("PairNetwork", in_channels=in_channels, hidden=hidden)
        check_choice("PairNetwork", "act", act, ("tanh", "relu"))
        check_choice("PairNetwork", "normalize", normalize, ("mean", "softmax", "none"))
        self.act, self.normalize = act, normalize
        self.first, self.second = nn.Linear(in_channels, hidden), nn.Linear(hidden, 1)

    def forward(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"]) -> LogWeight:
        check_columns("PairNetwork", q, k)
        if q.shape[1] != self.first.in_features:
            raise ValueError(
                f"PairNetwork: expected rows of width {self.first.in_features}, got {q.shape[1]}."
            )
        dtype = torch.promote_types(q.dtype, torch.float32)
        with torch.autocast(q.device.type, enabled=False):
            w1, b1 = self.first.weight.to(dtype), self.first.bias.to(dtype)
            w2, b2 = self.second.weight[0].to(dtype), self.second.bias.to(dtype)
            # One row a hidden unit, so that a tile reads each in one piece.
            u, v = w1 @ q.to(dtype).t() + b1[:, None], w1 @ k.to(dtype).t()
        bound = self._bound(u, v, w2, b2)
        if self.act == "tanh":
            # tanh(x) = 2 sigmoid(2 x) - 1, and torch's sigmoid is five times as fast on CPUs.
            u, v, w2, b2 = 2 * u, 2 * v, 2 * w2, b2 - w2.sum()
        network = _PairNetwork(self.act == "tanh", self.normalize != "softmax")
        rule = LogWeight(network, u, v, w2, b2, bound=bound)
        if self.normalize == "none":
            return rule
        nothing = q.new_zeros(len(q), 1)
        total = streaming_logsumexp(nothing, nothing, tau=1.0, exclude=True, log_weight=rule)
        mean = total - math.log(max(1, len(q) - 1))
        return rule + rank_one(torch.where(mean.isfinite(), -mean, 0.0), torch.zeros_like(mean))

    @torch.no_grad()
    def _bound(self, u: Tensor, v: Tensor, w2: Tensor, b2: Tensor) -> float:
        """No |log W| is above this."""
        if self.act == "tanh":
            largest = torch.ones_like(w2)
        elif u.numel() and v.numel():
            largest = (u.amax(1) + v.amax(1)).clamp(min=0)
        else:
            return 0.0
        # log sigmoid(x) >= -|x| - log 2, and x itself is nearer to 0.
        return float(w2.abs() @ largest + b2.abs().sum()) + math.log(2)

    def extra_repr(self) -> str:
        return f"act={self.act!r}, normalize={self.normalize!r}"


# Products of two exponentials of less stay within the range of float32.
SAFE_SUM = 40.0


@dataclass(frozen=True)
class _PairNetwork:
    smooth: bool
    squash: bool

    def __call__(
        self, rows: slice, cols: slice, u: Tensor, v: Tensor, w: Tensor, b: Tensor
    ) -> Tensor:
        out = _SumNetwork.apply(u[:, rows], v[:, cols], w, b, self.smooth)
        return logsigmoid(out) if self.squash else out


class _SumNetwork(torch.autograd.Function):
    """`out_ij = sum_h w_h act(u_hi + v_hj) + b`, one hidden unit in memory at a time.

    The activation is the logistic function if `smooth`, else ReLU.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, w: Tensor, b: Tensor, smooth: bool) -> Tensor:
        ctx.save_for_backward(u, v, w)
        ctx.smooth = smooth
        out = b.expand(u.shape[1], v.shape[1]).clone()
        unit = torch.empty_like(out)
        activate = _activation(u, v, smooth)
        for h in range(len(w)):
            out.addcmul_(activate(u[h], v[h], unit), w[h])
        return out

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, v, w = ctx.saved_tensors
        grad_u, grad_v, grad_w = (torch.empty_like(t) for t in (u, v, w))
        grad = grad.contiguous()
        unit, slope = torch.empty_like(grad), torch.empty_like(grad)
        activate = _activation(u, v, ctx.smooth)
        for h in range(len(w)):
            activate(u[h], v[h], unit)
            torch.mul(unit, grad, out=slope)
            grad_w[h] = slope.sum()
            if ctx.smooth:
                slope.addcmul_(slope, unit, value=-1)  # grad * s * (1 - s)
            else:
                torch.mul(unit.sign_(), grad, out=slope)
            grad_u[h], grad_v[h] = slope.sum(1), slope.sum(0)
        return w[:, None] * grad_u, w[:, None] * grad_v, grad_w, grad.sum().view(1), None


def _activation(u: Tensor, v: Tensor, smooth: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """`(a, c, out) -> act(a_i + c_j)` for the ranges of u and v."""
    if not smooth:
        return lambda a, c, out: torch.add(a[:, None], c, out=out).relu_()
    if all(not len(x) or bool(x.abs().amax() < SAFE_SUM) for x in (u.flatten(), v.flatten())):
        return _logistic_of_sums
    return lambda a, c, out: torch.add(a[:, None], c, out=out).sigmoid_()


def _logistic_of_sums(a: Tensor, c: Tensor, out: Tensor) -> Tensor:
    # 1 / (1 + e^-a e^-c): exponentials of rows and columns in place of one a pair, half the time.
    return torch.mul(torch.exp(-a)[:, None], torch.exp(-c), out=out).add_(1).reciprocal_()
