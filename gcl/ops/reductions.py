"""What is made of a row of logits that comes tile by tile."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gcl.ops.tiles import LN2, LOG2E


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


class SigmoidSum:
    """`sum 1 / (1 + exp(-l))`."""

    unit, scale = 1.0, 1.0

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        return like.new_zeros(rows)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        return state.add_(tile.sigmoid_().sum(1))

    def finish(self, state: Tensor) -> Tensor:
        return state

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        # One pass for p (1 - p), where a product of two tiles would take three.
        p = tile.sigmoid_()
        return p.addcmul_(p, p, value=-1).mul_(grad[:, None])


class SoftmaxMean:
    """`sum softmax(l) (l - lse)`, the log-sum-exp of every row being known.

    Add `lse`: the mean of the logits. Less that, and divided by what the softmax sums up to, the
    rounding of a large lse takes no digits from it.
    """

    unit, scale = 1.0, 1.0

    def __init__(self, lse: Tensor, detach: bool):
        self.lse, self.detach = torch.where(lse == -torch.inf, 0.0, lse), detach

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        return like.new_zeros(2, rows)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        p = tile.sub_(self.lse[rows, None]).exp()
        state[0] += p.sum(1)
        state[1] += p.mul_(tile.clamp_(min=torch.finfo(tile.dtype).min)).sum(1)
        return state

    def finish(self, state: Tensor) -> Tensor:
        total, value = state
        return value / torch.where(total > 0, total, 1.0)

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        p = tile.sub_(self.lse[rows, None]).exp().mul_(grad[:, None])
        if self.detach:
            return p
        tile.clamp_(min=torch.finfo(tile.dtype).min / 2)
        return p.mul_(tile.sub_(out[:, None] - 1))
