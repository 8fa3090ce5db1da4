"""Sums over all pairs of rows in O(N D) memory: the primitives of the losses.

Tiles of the similarity matrix are computed, used and forgotten; the backward pass computes them
again. Idea: Cheng et al., "Breaking the Memory Barrier: Near Infinite Batch Size Scaling for
Contrastive Loss", 2024.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from gcl.autograd import first_order_only
from gcl.losses.checks import check_choice, check_columns, check_positive
from gcl.losses.tiles import (
    LN2,
    LOG2E,
    SAFE_LOGIT,
    LogWeight,
    Precision,
    Products,
    RuleGradient,
    add_rule,
    blocks,
    check_rule,
    default_tile,
    exclude_from,
)

# Below this many pairs plain PyTorch needs fewer calls and its arrays are small change.
DENSE_PAIRS = 1 << 16


def streaming_logsumexp(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    tau: Tensor | float,
    exclude: bool | Tensor = False,
    log_weight: LogWeight | None = None,
    implementation: Literal["auto", "dense", "tiled"] = "auto",
    tile: int | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, " n"]:
    r"""Log-sum-exp of the logits of every row of q against all rows of k.

        lse_i = log sum_j W_ij exp( <q_i, k_j> / tau_i )

    Memory is O((n + m) d): no n x m array exists at any time. Gradients reach q, k, tau and the
    tensors of `log_weight`. There is no second derivative of the tiled form; asking for one
    (`create_graph=True`) raises RuntimeError.

    Args:
        q: anchors.
        k: candidates.
        tau: temperature > 0: a number, a scalar tensor, or one for every row of q `[n]`.
        exclude: True leaves out the pairs (i, i); a tensor `[n]` the pairs (i, exclude[i]), with
            -1 for rows that leave out nothing.
        log_weight: the rule for log W_ij; all weights are 1 if None.
        implementation: "tiled" never stores an n x m array; "dense" is plain PyTorch; "auto" takes
            the dense form for at most 65,536 pairs.
        tile: rows of a tile; chosen from shapes and device if None.
        precision: "bf16" multiplies in bfloat16 (sums and exponentials stay in float32): faster
            where the hardware has bfloat16 units. Relative gradient error of InfoNCE up to 1e-3
            at tau = 0.4, of other losses up to 3e-3 at their defaults, growing with 1 / tau.
            `torch.set_float32_matmul_precision` is honoured too.

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`, float32 or wider; -inf for a row without candidates.

    Raises:
        TypeError, ValueError: not floating-point matrices of one width, tau <= 0 or of a wrong
            shape, unknown implementation.

    Example:
        >>> z = torch.eye(3, 4)
        >>> lse = streaming_logsumexp(z, z, tau=0.5, exclude=True)
        >>> torch.allclose(lse.exp(), torch.tensor(2.0))
        True
    """
    check_columns("streaming_logsumexp", q, k)
    tau = as_tau(q, tau)
    check_rule(log_weight, len(q), len(k))
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": log_weight}
    if takes_dense(implementation, q, k):
        logits = dense_logits(q, k, 1 / tau, None, **keep)
        # The gradient of a row that is -inf throughout would be NaN.
        empty = logits.isneginf().all(1)
        lse = logits.masked_fill(empty[:, None], 0.0).logsumexp(1)
        return lse.masked_fill(empty, -torch.inf)
    return stream_rows(q, k, 1 / tau, None, LogSumExp(), tile=tile, precision=precision, **keep)


def streaming_softplus(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    scale: Tensor | float = 1.0,
    bias: Tensor | float = 0.0,
    exclude: bool | Tensor = False,
    implementation: Literal["auto", "dense", "tiled"] = "auto",
    tile: int | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, " n"]:
    r"""Sum of softplus over all candidates: the primitive of the sigmoid and ranking losses.

        out_i = sum_j log(1 + exp( scale_i <q_i, k_j> + bias_i ))

    Memory, gradients (q, k, scale, bias) and options as `streaming_logsumexp`.

    Args:
        q: anchors.
        k: candidates.
        scale: a number, a scalar tensor or `[n]`.
        bias: a number, a scalar tensor or `[n]`.
        exclude: True leaves out the pairs (i, i); a tensor `[n]` the pairs (i, exclude[i]).
        implementation: "auto", "dense" or "tiled".
        tile: rows of a tile; chosen if None.
        precision: "fp32" or "bf16".

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.zeros(2, 4)
        >>> streaming_softplus(z, z, exclude=True)  # log 2 of the one other row
        tensor([0.6931, 0.6931])
    """
    check_columns("streaming_softplus", q, k)
    scale, bias = _as_vector("scale", q, scale), _as_vector("bias", q, bias)
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": None}
    if takes_dense(implementation, q, k):
        return softplus(dense_logits(q, k, scale, bias, **keep)).sum(1)
    return stream_rows(q, k, scale, bias, SoftplusSum(), tile=tile, precision=precision, **keep)


def streaming_softmax_mean(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    tau: Tensor | float,
    exclude: bool | Tensor = False,
    detach_weights: bool = False,
    implementation: Literal["auto", "dense", "tiled"] = "auto",
    tile: int | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, " n"]:
    r"""Mean similarity of every row's candidates under its softmax.

        p_ij = softmax_j( <q_i, k_j> / tau_i ),   out_i = sum_j p_ij <q_i, k_j>

    Args:
        q: anchors.
        k: candidates.
        tau: temperature > 0, a number, a scalar tensor or `[n]`.
        exclude: as in `streaming_logsumexp`.
        detach_weights: no gradient through p.
        implementation: "auto", "dense" or "tiled".
        tile: rows of a tile; chosen if None.
        precision: "fp32" or "bf16".

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`; 0 for a row without candidates.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.eye(3)
        >>> streaming_softmax_mean(z, z, tau=1.0, exclude=True)
        tensor([0., 0., 0.])
    """
    check_columns("streaming_softmax_mean", q, k)
    scale = 1 / as_tau(q, tau)
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": None}
    if takes_dense(implementation, q, k):
        logits = dense_logits(q, k, scale, None, **keep)
        empty = logits.isneginf().all(1, keepdim=True)
        p = logits.masked_fill(empty, 0.0).softmax(1).masked_fill(empty, 0.0)
        p = p.detach() if detach_weights else p
        return (p * logits.masked_fill(p == 0, 0.0)).sum(1) / scale
    options: dict[str, Any] = {"tile": tile, "precision": precision, **keep}
    with torch.no_grad():
        lse = stream_rows(q, k, scale, None, LogSumExp(), **options)
    return stream_rows(q, k, scale, None, SoftmaxMean(lse, detach_weights), **options) / scale


@runtime_checkable
class Reduction(Protocol):
    """What is made of a row of logits, one tile after another.

    Logits come multiplied by `unit`, and the result is `finish` times `scale`; `slope` gets what
    `finish` gave. `add` and `slope` may use the tile as scratch space.
    """

    unit: float
    scale: float

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor: ...
    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor: ...
    def finish(self, state: Tensor) -> Tensor: ...
    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor: ...


class LogSumExp:
    """`log sum exp`; logits in base 2."""

    unit, scale = LOG2E, LN2

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        self.bounded = bounded
        return like.new_full((rows,), 0.0 if bounded else -torch.inf)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        return state.add_(tile.exp2_().sum(1)) if self.bounded else merge(state, tile, 1)

    def finish(self, state: Tensor) -> Tensor:
        return state.log2() if self.bounded else state

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        # A row without candidates would subtract -inf from -inf.
        shift = torch.where(out == -torch.inf, 0.0, out)
        return tile.sub_(shift[:, None]).exp2_().mul_(grad[:, None])


def merge(total: Tensor, tile: Tensor, dim: int) -> Tensor:
    """`log2(2^total + sum_dim 2^tile)`, for logits of any size; the tile is used up."""
    top = torch.maximum(tile.amax(dim), total)
    # Where all is -inf so far, subtract nothing.
    base = torch.where(top == -torch.inf, 0.0, top)
    part = tile.sub_(base.unsqueeze(dim)).exp2_().sum(dim)
    return base + (part + (total - base).exp2_()).log2_()


class SoftplusSum:
    """`sum log(1 + exp)`."""

    unit, scale = 1.0, 1.0

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        return like.new_zeros(rows)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        return state.add_(softplus(tile).sum(1))

    def finish(self, state: Tensor) -> Tensor:
        return state

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        return tile.sigmoid_().mul_(grad[:, None])


class SoftmaxMean:
    """`sum softmax(l) l`, the log-sum-exp of every row being known."""

    unit, scale = 1.0, 1.0

    def __init__(self, lse: Tensor, detach: bool):
        self.lse, self.detach = torch.where(lse == -torch.inf, 0.0, lse), detach

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        return like.new_zeros(rows)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        p = (tile - self.lse[rows, None]).exp_()
        return state.add_(p.mul_(tile.clamp_(min=torch.finfo(tile.dtype).min)).sum(1))

    def finish(self, state: Tensor) -> Tensor:
        return state

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        p = (tile - self.lse[rows, None]).exp_().mul_(grad[:, None])
        if self.detach:
            return p
        tile.clamp_(min=torch.finfo(tile.dtype).min / 2)
        return p.mul_(tile.sub_(out[:, None] - 1))


class _Rows(torch.autograd.Function):
    """A reduction over the columns of `scale_i <q_i, k_j> + bias_i + log W_ij`."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        reduction: Reduction,
        plan: _Plan,
        *tensors: Tensor,
    ) -> Tensor:
        products, unit = Products(plan.precision, q.device), reduction.unit
        scaled = q * (scale * unit).view(-1, 1)
        left, right = products.factor(scaled), products.factor(k)
        out, scratch = q.new_empty(len(q)), plan.scratch(q)
        bounded = plan.rule is None or plan.rule.bound <= SAFE_LOGIT / 2
        if bounded and len(q) and len(k):
            largest = scaled.square().sum(1).max().sqrt() * k.square().sum(1).max().sqrt()
            slack = 0.0 if plan.rule is None else plan.rule.bound
            bounded = bool(largest <= (SAFE_LOGIT - slack) * LOG2E)
        with products.scope():
            for rows in plan.rows:
                state = reduction.start(rows.stop - rows.start, q, bounded)
                for cols in plan.cols:
                    tile = products.logits(left[rows], right[cols], plan.view(scratch, rows, cols))
                    if bias is not None:
                        tile += bias[rows, None] if bias.dim() else bias
                    add_rule(tile, plan.weigh(rows, cols, tensors), unit)
                    exclude_from(tile, rows, cols, plan.exclude)
                    state = reduction.add(state, tile, rows)
                out[rows] = reduction.finish(state)
        ctx.save_for_backward(q, k, scale, bias, out, *tensors)
        ctx.reduction, ctx.plan = reduction, plan
        return out * reduction.scale

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, scale, bias, out, *tensors = ctx.saved_tensors
        reduction, plan = ctx.reduction, ctx.plan
        products, unit = Products(plan.precision, q.device), reduction.unit
        # The same roundings as in the forward pass: with large logits they decide.
        left, right = products.factor(q * (scale * unit).view(-1, 1)), products.factor(k)
        plain = left if unit == 1.0 else products.factor(q * scale.view(-1, 1))
        rule = RuleGradient(plan.rule, tuple(tensors), list(ctx.needs_input_grad[6:]))
        grad_q, grad_k = torch.zeros_like(q), torch.zeros_like(k)
        grad_bias = None if bias is None else q.new_zeros(len(q))
        scratch = plan.scratch(q)
        with products.scope():
            for rows in plan.rows:
                for cols in plan.cols:
                    tile = products.logits(left[rows], right[cols], plan.view(scratch, rows, cols))
                    if bias is not None:
                        tile += bias[rows, None] if bias.dim() else bias
                    weight = rule.tile(rows, cols)
                    add_rule(tile, weight, unit)
                    exclude_from(tile, rows, cols, plan.exclude)
                    slope = reduction.slope(tile, out[rows], grad[rows], rows)
                    rule.add(weight, slope)
                    if grad_bias is not None:
                        grad_bias[rows] += slope.sum(1)
                    slope = products.weights(slope)
                    products.add(grad_q[rows], slope, right[cols])
                    products.add(grad_k[cols], slope.t(), plain[rows])
        grad_scale = (grad_q * q).sum(1) if ctx.needs_input_grad[2] else None
        if grad_scale is not None and not scale.dim():
            grad_scale = grad_scale.sum()
        if grad_bias is not None and bias is not None and not bias.dim():
            grad_bias = grad_bias.sum()
        grad_q *= scale.view(-1, 1)
        return grad_q, grad_k, grad_scale, grad_bias, None, None, *rule.grads


class _Plan:
    """Which tiles, and what happens to them besides the product."""

    def __init__(
        self,
        n: int,
        m: int,
        tile: int,
        exclude: bool | Tensor,
        rule: LogWeight | None,
        precision: Precision,
    ):
        self.rows, self.cols = blocks(n, tile), blocks(m, tile)
        self.exclude, self.rule, self.precision = exclude, rule, precision

    def weigh(self, rows: slice, cols: slice, tensors: tuple[Tensor, ...]) -> Tensor | None:
        return None if self.rule is None else self.rule(rows, cols, *tensors)

    def scratch(self, like: Tensor) -> Tensor:
        longest = [
            max((b.stop - b.start for b in side), default=0) for side in (self.rows, self.cols)
        ]
        return like.new_empty(longest[0] * longest[1])

    def view(self, scratch: Tensor, rows: slice, cols: slice) -> Tensor:
        shape = rows.stop - rows.start, cols.stop - cols.start
        return scratch[: shape[0] * shape[1]].view(shape)


def stream_rows(
    q: Tensor,
    k: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    reduction: Reduction,
    *,
    exclude: bool | Tensor,
    rule: LogWeight | None,
    tile: int | None,
    precision: Precision,
) -> Tensor:
    """A reduction of your own over `scale_i <q_i, k_j> + bias_i + log W_ij`, tile by tile."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    check_choice("streaming", "precision", precision, ("fp32", "bf16"))
    if tile is not None:
        check_positive("streaming", tile=tile)
    width = 1 if rule is None else rule.width
    plan = _Plan(
        len(q), len(k), tile or default_tile(q, width, precision), exclude, rule, precision
    )
    tensors = () if rule is None else rule.tensors
    with torch.autocast(q.device.type, enabled=False):
        return _Rows.apply(q.to(dtype), k.to(dtype), scale, bias, reduction, plan, *tensors)


def dense_logits(
    q: Tensor,
    k: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    *,
    exclude: bool | Tensor,
    rule: LogWeight | None,
) -> Tensor:
    """The same logits written plainly, with an n x m array: the oracle."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    with torch.autocast(q.device.type, enabled=False):
        logits = scale.view(-1, 1) * (q.to(dtype) @ k.to(dtype).t())
    if bias is not None:
        logits = logits + bias.view(-1, 1)
    every = slice(0, len(q)), slice(0, len(k))
    if rule is not None:
        logits = logits + rule(*every)
    out = exclude_from(torch.zeros_like(logits), *every, exclude)
    return logits.masked_fill(out.isneginf(), -torch.inf)


def check_exclude(q: Tensor, exclude: bool | Tensor) -> bool | Tensor:
    """True, False, or one position for every row of q.

    Raises:
        TypeError: positions are not int64.
        ValueError: not one a row.
    """
    if isinstance(exclude, Tensor):
        if exclude.dtype != torch.long:
            raise TypeError(f"exclude must hold int64 positions, got {exclude.dtype}.")
        if exclude.shape != q.shape[:1]:
            raise ValueError(f"exclude must be [{len(q)}], one a row, got {list(exclude.shape)}.")
    return exclude


def takes_dense(implementation: str, q: Tensor, k: Tensor) -> bool:
    """Whether the pairs are few enough, or the caller asks, for plain n x m arrays."""
    check_choice("streaming", "implementation", implementation, ("auto", "dense", "tiled"))
    if implementation == "auto":
        return len(q) * len(k) <= DENSE_PAIRS
    return implementation == "dense"


def _as_vector(name: str, q: Tensor, value: Tensor | float) -> Tensor:
    """A number, or one for every row of q.

    Raises:
        ValueError: of another shape.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    value = torch.as_tensor(value, dtype=dtype, device=q.device)
    if value.dim() > 1 or (value.dim() == 1 and len(value) != len(q)):
        raise ValueError(
            f"{name} must be one number or one a row [{len(q)}], got {list(value.shape)}."
        )
    return value


def as_tau(q: Tensor, tau: Tensor | float) -> Tensor:
    """A temperature, or one for every row of q.

    Raises:
        ValueError: of another shape, or not above 0 (as a learned one can become).
    """
    tau = _as_vector("tau", q, tau)
    if not bool((tau > 0).all()):
        raise ValueError(
            f"tau must be above 0 everywhere, got {float(tau.detach().min()):g}; a learned one "
            "needs a smaller learning rate, or its logarithm as the parameter."
        )
    return tau
