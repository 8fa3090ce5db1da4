"""Weights of pairs as rules that are evaluated tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class LogWeight(nn.Module):
    """Weights of pairs as a rule that is evaluated tile by tile: no N x N array of weights.

    The softmax losses add `log W_ij` to the logit of the pair (i, j) in the denominator; `-inf`
    takes the pair out. Ready rules: `rank_one`, `cluster_pairs`, `without_pairs`, and the
    module `PairNetwork`.

    Args:
        function: `(rows, cols, *tensors) -> log W`, a tensor that broadcasts to
            `[len(rows), len(cols)]`, for two ranges given as slices. It may be differentiable in
            the tensors; it is then evaluated a second time in the backward pass. What it depends
            on otherwise gets no gradient.
        tensors: what the weights depend on; gradients reach them. Parameters among them are
            parameters of the rule, and so of the loss that has it.
        symmetric: the function gives `W_ij = W_ji`; two-view losses then use each tile for both
            directions, about twice as fast.
        bound: a number that abs(log W_ij) never exceeds, apart from `-inf`; spares the search for
            the largest term. Infinity is always right.
        width: numbers that the function holds for every pair while it computes; tiles shrink
            accordingly.
        shape: how many rows and columns the rule is for; None for any.

    Rules add up: `a + b` multiplies the weights.

    Raises:
        TypeError: tensors are not tensors.
        ValueError: when used: a tile of the wrong shape; another number of rows than `shape`; a
            function that needs gradients for what is not among its tensors.

    Example:
        >>> age = torch.rand(9)
        >>> def decay(rows, cols, rate):
        ...     return -rate * (age[rows, None] - age[None, cols]).abs()
        >>> rate = nn.Parameter(torch.tensor(0.1))
        >>> LogWeight(decay, rate, symmetric=True)(slice(0, 2), slice(0, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        *tensors: Tensor,
        symmetric: bool = False,
        bound: float = math.inf,
        width: int = 1,
        shape: tuple[int, int] | None = None,
    ):
        super().__init__()
        self.function, self.symmetric, self.bound = function, symmetric, bound
        self.width, self.shape, self.count = width, shape, len(tensors)
        for i, tensor in enumerate(tensors):
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(f"tensor{i}", tensor)
            elif isinstance(tensor, Tensor):
                # Made anew from step to step, so no matter of checkpoints; moves with the loss.
                self.register_buffer(f"tensor{i}", tensor, persistent=False)
            else:
                raise TypeError(
                    f"LogWeight: expected tensors, got {type(tensor).__name__}; a number can be "
                    "part of the function."
                )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What the weights depend on."""
        return tuple(getattr(self, f"tensor{i}") for i in range(self.count))

    def forward(self, rows: slice, cols: slice, *tensors: Tensor) -> Tensor:
        tile = self.function(rows, cols, *(tensors or self.tensors))
        expected = rows.stop - rows.start, cols.stop - cols.start
        fits = isinstance(tile, Tensor) and tile.dim() <= 2
        if not fits or not all(
            size in (1, wanted)
            for size, wanted in zip(reversed(tile.shape), reversed(expected), strict=False)
        ):
            got = list(tile.shape) if isinstance(tile, Tensor) else type(tile).__name__
            raise ValueError(
                f"LogWeight: the function must give a tensor that broadcasts to "
                f"{list(expected)}, got {got}."
            )
        return tile

    def __add__(self, other: LogWeight) -> LogWeight:
        return LogWeight(
            _Product(self.function, other.function, self.count),
            *self.tensors,
            *other.tensors,
            symmetric=self.symmetric and other.symmetric,
            bound=self.bound + other.bound,
            width=self.width + other.width,
            shape=self.shape or other.shape,
        )

    def extra_repr(self) -> str:
        return f"{self.count} tensors, symmetric={self.symmetric}"


@dataclass(frozen=True)
class _Product:
    """Two rules at once (a class, so that it pickles)."""

    first: Callable[..., Tensor]
    second: Callable[..., Tensor]
    count: int  # tensors of the first

    def __call__(self, rows: slice, cols: slice, *tensors: Tensor) -> Tensor:
        mine = self.first(rows, cols, *tensors[: self.count])
        return mine + self.second(rows, cols, *tensors[self.count :])


def check_rule(rule: LogWeight | None, n: int, m: int) -> None:
    """A rule fits n x m pairs, and its gradients can be followed.

    Raises:
        ValueError: it is for another number of rows, gives a wrong shape, or depends on a tensor
            that needs a gradient and is not among its tensors.
    """
    if rule is None or n == 0 or m == 0:
        return
    if rule.shape is not None and rule.shape != (n, m):
        raise ValueError(
            f"LogWeight: the rule is for {list(rule.shape)} pairs of rows, got {[n, m]}; make one "
            "for the rows at hand."
        )
    with torch.enable_grad():
        corner = rule(slice(0, 1), slice(0, 1), *(t.detach() for t in rule.tensors))
    if corner.requires_grad:
        raise ValueError(
            "LogWeight: the function depends on a tensor that needs a gradient; pass it as one of "
            "the tensors, LogWeight(function, tensor), and take it from the arguments."
        )


class RuleGradient:
    """Back-propagates tiles of `d loss / d log W` to the tensors of a rule."""

    def __init__(self, rule: LogWeight | None, tensors: tuple[Tensor, ...], needed: list[bool]):
        self.rule = rule
        self.leaves = [
            t.detach().requires_grad_(need) for t, need in zip(tensors, needed, strict=True)
        ]
        self.grads = [torch.zeros_like(t) if t.requires_grad else None for t in self.leaves]
        self.needed = any(needed)

    def tile(self, rows: slice, cols: slice) -> Tensor | None:
        """The rule's tile, with its graph if there is anything to train."""
        if self.rule is None:
            return None
        device = self.leaves[0].device.type if self.leaves else "cpu"
        with torch.set_grad_enabled(self.needed), torch.autocast(device, enabled=False):
            return self.rule(rows, cols, *self.leaves)

    def add(self, tile: Tensor | None, slope: Tensor) -> None:
        """Add what the tile's slopes mean for the tensors."""
        if not self.needed or tile is None or not tile.requires_grad:
            return
        trained = [leaf for leaf in self.leaves if leaf.requires_grad]
        slope = slope.sum_to_size(tile.shape).to(tile.dtype)
        parts = iter(torch.autograd.grad(tile, trained, slope, allow_unused=True))
        for total in self.grads:
            part = next(parts) if total is not None else None
            if part is not None and total is not None:
                total += part


def add_rule(logits: Tensor, tile: Tensor | None, unit: float) -> Tensor:
    """`logits += unit * tile`, in place."""
    if tile is None:
        return logits
    return logits.add_(tile.detach().to(logits.dtype), alpha=unit)
