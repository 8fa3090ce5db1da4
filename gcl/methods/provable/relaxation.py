"""Straight lines in place of the activations of a GCN, where its pre-activations can lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gcl.methods.provable.intervals import Interval
from gcl.methods.provable.layers import Layer
from gcl.ops.autograd import first_order_only

_NARROW = 1e-12  # an interval around 0 that is no wider passes no gradient to its ends


class Lines(NamedTuple):
    """`slope z <= act(z) <= slope z + rise`, entry by entry."""

    slope: Tensor
    rise: Tensor


def relax(layers: Sequence[Layer], intervals: Sequence[Interval]) -> list[Lines]:
    """Two parallel lines around the activation of every layer, on its interval.

    With a the slope of the activation below 0, their slope s and the rise of the upper one are

        low >= 0:        s = 1, rise = 0
        high <= 0:       s = a, rise = 0
        low < 0 < high:  s = (high - a * low) / (high - low),
                         rise = (a - 1) * high * low / (high - low)

    Args:
        layers: whose activations are meant.
        intervals: of their pre-activations.

    Reference:
        Zhang et al., "Efficient Neural Network Robustness Certification with General Activation
        Functions" (CROWN), NeurIPS 2018.

    Example:
        >>> relu = Layer(torch.ones(1, 1), torch.zeros(1), torch.tensor(0.0))
        >>> relax([relu], [Interval(torch.tensor([-1.0]), torch.tensor([3.0]))])
        [Lines(slope=tensor([0.7500]), rise=tensor([0.7500]))]
    """
    return [
        Lines(*_ParallelLines.apply(low, high, 1 - layer.slope))
        for layer, (low, high) in zip(layers, intervals, strict=True)
    ]


class _ParallelLines(torch.autograd.Function):
    """With p = max(high, 0), m = max(-low, 0), t = m / (p + m): `1 - (1 - a) t`, `(1 - a) p t`.

    By hand, as a dozen masked operations would cost more than the products around them.
    """

    @staticmethod
    def forward(ctx: Any, low: Tensor, high: Tensor, bend: Tensor) -> tuple[Tensor, Tensor]:
        up, down = high.clamp(min=0), low.clamp(max=0).neg_()
        width = up + down
        below = down.div_(width.clamp(min=torch.finfo(width.dtype).tiny))
        ctx.save_for_backward(low, high, width, below, bend)
        return (below * -bend).add_(1), up.mul_(below).mul_(bend)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_line: Tensor, grad_rise: Tensor) -> tuple[Tensor | None, ...]:
        low, high, width, below, bend = ctx.saved_tensors
        up = high.clamp(min=0)
        # Around a point at 0 the slope jumps, and its derivative says nothing.
        per_width = width.clamp(min=_NARROW).reciprocal_().mul_(width > _NARROW)
        through = (grad_rise * up).sub_(grad_line).mul_(bend).mul_(per_width)
        grad_high = (grad_rise * below).mul_(bend).addcmul_(through, below, value=-1)
        grad_low = through.mul_(below.sub(1))
        return grad_low.mul_(low < 0), grad_high.mul_(high > 0), None
