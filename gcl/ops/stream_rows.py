"""Rows of logits, tile by tile, and the same written plainly: what the primitives are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcl.ops.autograd import first_order_only
from gcl.ops.log_weight import LogWeight, RuleGradient, add_rule
from gcl.ops.reductions import Reduction
from gcl.ops.tiles import LOG2E, SAFE_LOGIT, Products, blocks, default_tile, exclude_from
from gcl.ops.tiling import Tiling, current_tiling
from gcl.ops.tracing import outside_graph, traced

# Below this many pairs plain PyTorch needs fewer calls and its arrays are small change.
DENSE_PAIRS = 1 << 16


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
    """Which tiles, and what happens to them besides the product.

    Made in the forward pass and kept for the backward pass, which may run in another context.
    """

    def __init__(
        self,
        q: Tensor,
        k: Tensor,
        exclude: bool | Tensor,
        rule: LogWeight | None,
        settings: Tiling,
    ):
        self.exclude, self.rule, self.precision = exclude, rule, settings.precision
        width = 1 if rule is None else rule.width
        tile = settings.tile or default_tile(q, width, self.precision)
        self.rows, self.cols = blocks(len(q), tile), blocks(len(k), tile)

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


@outside_graph
def stream_rows(
    q: Tensor,
    k: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    reduction: Reduction,
    *,
    exclude: bool | Tensor,
    rule: LogWeight | None,
) -> Tensor:
    """A reduction of your own over `scale_i <q_i, k_j> + bias_i + log W_ij`, tile by tile."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    plan = _Plan(q, k, exclude, rule, current_tiling())
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


def takes_dense(q: Tensor, k: Tensor) -> bool:
    """Whether the pairs are few enough, or the context asks, for plain n x m arrays."""
    implementation = current_tiling().implementation
    if traced():
        if implementation == "tiled":
            raise RuntimeError(
                "torch.func and torch.export must follow every operation, and tiles have a "
                'backward pass by hand: leave gcl.ops.tiling(implementation="tiled"), or take '
                "torch.autograd.grad."
            )
        return True
    if implementation == "auto":
        return len(q) * len(k) <= DENSE_PAIRS
    return implementation == "dense"


def as_vector(name: str, q: Tensor, value: Tensor | float) -> Tensor:
    """A number, or one for every row of q.

    Raises:
        ValueError: of another shape.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    if isinstance(value, int | float):  # filled there: a copy would have to wait
        return torch.full((), value, dtype=dtype, device=q.device)
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
    vector = as_vector("tau", q, tau)
    # A number is known here; of a tensor the device has to be asked.
    right = tau > 0 if isinstance(tau, int | float) else bool((vector > 0).all())
    if not right:
        raise ValueError(
            f"tau must be above 0 everywhere, got {float(vector.detach().min()):g}; a learned one "
            "needs a smaller learning rate, or its logarithm as the parameter."
        )
    return vector
