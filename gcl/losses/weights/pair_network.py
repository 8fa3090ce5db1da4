"""AdaMEOW's learnt weights: a small network of two rows, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gcl.checks import check_choice, check_columns, check_count
from gcl.losses.weights.rules import rank_one
from gcl.ops.autograd import first_order_only
from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiles import SAFE_LOGIT
from gcl.ops.tracing import outside_graph, traced


class PairNetwork(nn.Module):
    r"""AdaMEOW's learnt weights: a small network on the sum of two rows.

        log W_ij = log sigmoid( w2^T act( W1 (q_i + k_j) + b1 ) + b2 )

    Give it to a loss as `log_weight=PairNetwork(64)` and train its parameters with the encoder's.
    Memory is a few tiles. A tanh of a sum of two numbers is a short sum of products of functions of
    one number, to the last digit of the dtype (see `low_rank_sum`), so that with weights of
    ordinary size a tile costs one product of two narrow matrices; otherwise the hidden units are
    visited one after another.

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

    @outside_graph
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
        radius, terms = 0.0, 0
        if self.act == "tanh":
            radius = float(v.detach().abs().max()) if v.numel() else 0.0
            # Over a tiny range the samples are equal up to rounding, and slopes in v are lost.
            radius = max(radius, LEAST_RADIUS)
            terms = chebyshev_terms(radius, dtype)
            # tanh(x) = 2 sigmoid(2 x) - 1, and torch's sigmoid is five times as fast on CPUs.
            u, v, w2, b2 = 2 * u, 2 * v, 2 * w2, b2 - w2.sum()
        network = _Pairs(self.act == "tanh", self.normalize != "softmax", 2 * radius, terms, bound)
        # A product of two matrices pays in large tiles, units one after another in small ones.
        rule = LogWeight(network, u, v, w2, b2, bound=bound, width=0 if terms else 1)
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


LEAST_RADIUS = 0.1
# More terms than this cost more than visiting the hidden units one after another.
MOST_TERMS = 32


def chebyshev_terms(radius: float, dtype: torch.dtype) -> int:
    """Terms that give tanh(u + v), |v| <= radius, to the precision of the dtype; 0 if too many.

    The nearest poles of tanh lie pi/2 off the real line, so that the error of the Chebyshev series
    in v falls as rho^-terms with rho = t + sqrt(1 + t^2), t = pi / (2 radius) (Trefethen,
    "Approximation Theory and Approximation Practice", 2013, theorem 8.2).
    """
    if not math.isfinite(radius):
        return 0
    t = math.pi / 2 / radius
    terms = math.ceil(-math.log(torch.finfo(dtype).eps) / math.asinh(t)) + 1
    return terms if terms <= MOST_TERMS else 0


def low_rank_sum(
    u: Float[Tensor, "h n"],
    v: Float[Tensor, "h m"],
    w: Float[Tensor, " h"],
    radius: float,
    terms: int,
) -> Float[Tensor, "n m"]:
    r"""`out_ij = sum_h w_h sigmoid(u_hi + v_hj)` as one product of matrices `[n, h p]`, `[h p, m]`.

        sigmoid(u + v) ~ sum_{r < p} c_r(u) T_r(v / radius),   |v| <= radius,
        c_r(u) = (2 - [r = 0]) / p sum_s sigmoid(u + radius t_s) T_r(t_s)

    with the Chebyshev polynomials T and their p nodes t.
    """
    s = (torch.arange(terms, device=u.device, dtype=torch.float64) + 0.5) * (math.pi / terms)
    basis = (torch.arange(terms, device=u.device)[None] * s[:, None]).cos() * (2 / terms)
    basis[:, 0] /= 2
    samples = (u[:, :, None] + (radius * s.cos()).to(u.dtype)).sigmoid_()
    left = (samples @ basis.to(u.dtype)) * w[:, None, None]
    x = v / radius
    powers = [torch.ones_like(x), x]
    while len(powers) < terms:
        powers.append(2 * x * powers[-1] - powers[-2])
    right = torch.stack(powers[:terms], dim=2)
    return left.transpose(0, 1).flatten(1) @ right.transpose(0, 1).flatten(1).t()


# Products of two exponentials of less stay within the range of float32.
SAFE_SUM = 40.0


@dataclass(frozen=True)
class _Pairs:
    smooth: bool
    squash: bool
    radius: float
    terms: int
    bound: float

    def __call__(
        self, rows: slice, cols: slice, u: Tensor, v: Tensor, w: Tensor, b: Tensor
    ) -> Tensor:
        u, v = u[:, rows], v[:, cols]
        if self.terms:
            out = low_rank_sum(u, v, w, self.radius, self.terms) + b
        elif traced():
            act = torch.sigmoid if self.smooth else torch.relu
            units = zip(u, v, w, strict=True)
            out = sum((c * act(x[:, None] + y) for x, y, c in units), b)
        else:
            out = _SumNetwork.apply(u, v, w, b, self.smooth)
        if not self.squash:
            return out
        # torch's logsigmoid takes three times as long, and is needed only where sigmoid vanishes.
        return out.sigmoid().log() if self.bound < SAFE_LOGIT else logsigmoid(out)


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
