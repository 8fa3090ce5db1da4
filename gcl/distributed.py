"""One loss over the rows of several processes, on torch.distributed and torchrun.

`gcl.fit` does all of this under a process group. In a loop of your own, with
DistributedDataParallel:

    with gcl.distributed.processes():
        loss = gcl.distributed.GlobalBatch(gcl.losses.InfoNCE(0.4))
        loss(z1, z2)  # of this rank's rows: the loss of the rows of all ranks
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gcl.checks import shown
from gcl.ops.processes import (
    first_before_others,
    from_first,
    is_first,
    launched,
    on_first,
    processes,
)
from gcl.ops.ranks import (
    RankFailedError,
    Ranks,
    across_of,
    alone,
    call_off,
    common_draws,
    group_size,
    meet,
    others,
    pairs,
    ranks,
    rows,
    total,
    watching,
    whole,
)

__all__ = [
    "GlobalBatch",
    "RankFailedError",
    "Ranks",
    "across_of",
    "alone",
    "call_off",
    "common_draws",
    "first_before_others",
    "from_first",
    "group_size",
    "is_first",
    "launched",
    "meet",
    "on_first",
    "others",
    "pairs",
    "processes",
    "ranks",
    "rows",
    "total",
    "watching",
    "whole",
]


class GlobalBatch(nn.Module):
    """A loss over the rows of all ranks: its value and, by DistributedDataParallel, its gradient.

    `loss.across(ranks, *rows, **per_node)` if the loss has it: the part of this rank, the parts of
    all adding up to the loss. Otherwise rows and per-node arguments are gathered, and every rank
    computes all of the loss: exact for any loss, one of your own too. What a loss draws comes from
    a generator that the ranks have in common.

    Every rank gets the value of the whole loss. Its gradient is `size` times the rank's share of
    it, which the mean over ranks of DistributedDataParallel makes the whole. Outside a process
    group it is the loss and nothing else.

    Args:
        loss: a module or function of matrices whose rows i belong together. Further tensors, by
            position or name, are pairs of rows `[2, p]` where the name has "index" in it; those of
            as many rows, or of as many as there are pairs, follow them; others are refused.

    Raises:
        ValueError: a tensor that is neither; ranks that do not come with the same.

    Example:
        >>> import gcl
        >>> z = torch.eye(12, 16)
        >>> round(GlobalBatch(gcl.losses.InfoNCE(tau=0.4))(z, z).item(), 4)  # alone
        1.0317
    """

    def __init__(self, loss: Callable[..., Tensor]):
        super().__init__()
        if not callable(loss) or isinstance(loss, type):
            raise TypeError(f"GlobalBatch: expected a loss (z1, z2) -> scalar, got {shown(loss)}.")
        self.loss = loss

    def forward(self, *given: Any, **named: Any) -> Tensor:
        if not others():
            return self.loss(*given, **named)
        tensors = self._tensors(given, named)
        told = " ".join(sorted(tensors)).encode()
        across = across_of(self.loss)
        if across is None:
            self._check_lengths(tensors)
        together = ranks(given[0], kind=zlib.crc32(told))
        if together is None:
            return self.loss(*given, **named)
        with common_draws(together):
            if across is not None:
                part = across(together, *given, **named)
                if part is not NotImplemented:
                    return whole(part, together)
            found = self._gathered(tensors, together)
            moved = {id(value): found[name] for name, value in tensors.items()}
            everywhere = [moved.get(id(value), value) for value in given]
            by_name = {name: moved.get(id(value), value) for name, value in named.items()}
            with alone():
                return self.loss(*everywhere, **by_name)

    def after_step(self, step: int, total: int) -> None:
        """Handed on to the loss, if it follows the training."""
        follow = getattr(self.loss, "after_step", None)
        if callable(follow):
            follow(step, total)

    def _tensors(self, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Tensor]:
        """What there is to gather, by the names that the loss has for it."""
        forward = self.loss.forward if isinstance(self.loss, nn.Module) else self.loss
        named_all: dict[str, Any] = {}
        for name, value in inspect.signature(forward).bind(*given, **named).arguments.items():
            if isinstance(value, tuple):
                named_all |= {f"{name}{i}": one for i, one in enumerate(value)}
            else:
                named_all |= value if isinstance(value, dict) else {name: value}
        return {k: v for k, v in named_all.items() if isinstance(v, Tensor) and v.dim()}

    def _check_lengths(self, tensors: dict[str, Tensor]) -> None:
        # Before the ranks meet: one that fails afterwards leaves the others waiting.
        of_pairs = {key: value for key, value in tensors.items() if _names_pairs(key, value)}
        n = len(next(iter(tensors.values())))
        sizes = {n, *(value.shape[1] for value in of_pairs.values())}
        for key, value in tensors.items():
            if key not in of_pairs and len(value) not in sizes:
                raise ValueError(
                    f"GlobalBatch: {key} has {len(value)} rows, which is neither one a row of the "
                    f"batch ({n}) nor one a pair, so it cannot be gathered from several ranks; "
                    "give the loss an across(ranks, ...) of its own."
                )

    def _gathered(self, tensors: dict[str, Tensor], together: Ranks) -> dict[str, Tensor]:
        of_pairs = {
            key: (value, _known(ranks(value.t())))
            for key, value in tensors.items()
            if _names_pairs(key, value)
        }
        counts = [together, *(there for _, there in of_pairs.values())]
        found = {}
        for place, (key, value) in enumerate(tensors.items()):
            if key in of_pairs:
                found[key] = pairs(value, together, of_pairs[key][1])
                continue
            # With pairs around, a tensor may follow them, and must do so on all ranks alike.
            there = _known(ranks(value)) if place and of_pairs else together
            if all(there.lengths != known.lengths for known in counts):
                raise ValueError(
                    f"GlobalBatch: {key} has {list(there.lengths)} rows on the ranks, which are "
                    "neither those of the batch nor those of the pairs; give the loss an "
                    "across(ranks, ...) of its own."
                )
            found[key] = rows(value, there)
        return found


def _names_pairs(name: str, value: Tensor) -> bool:
    integer = not value.is_floating_point() and value.dtype != torch.bool
    return "index" in name and integer and value.dim() == 2 and len(value) == 2


def _known(together: Ranks | None) -> Ranks:
    assert together is not None  # these tensors are asked about inside a group only
    return together
