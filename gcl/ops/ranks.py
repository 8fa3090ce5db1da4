"""What the processes of one training tell each other of their rows: sums, rows, a common loss.

The rules of scaling, once for all. DistributedDataParallel averages the gradients of the ranks, so
that of a rank must be `size` times its share of the whole one. Where every rank computes the whole
loss from gathered rows, the backward pass of `rows` multiplies by `size`; where a rank computes a
part, and the parts add up to the loss, the backward pass of `whole` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)
_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)

# Seconds for which a meeting that a failed rank has called off is waited for.
_CALLED_OFF = 5.0


class Watch(Protocol):
    """Knows of ranks that have failed."""

    def failed(self) -> str | None:
        """What a rank that has failed had to say; None while all is well."""

    def hear(self) -> None:
        """Tells that this rank has heard of it; the failed one then comes to the meeting."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of a process group and the rows that each of them has in this step.

    Attributes:
        group: the process group; None is the one of all processes.
        rank: which of them this is.
        size: how many there are.
        lengths: rows of each.
        seed: a number that all have in common, drawn by the first.
    """

    group: Any
    rank: int
    size: int
    lengths: tuple[int, ...]
    seed: int

    @property
    def total(self) -> int:
        """Rows of all."""
        return sum(self.lengths)

    @property
    def start(self) -> int:
        """Rows of the ranks before this one."""
        return sum(self.lengths[: self.rank])

    @property
    def own(self) -> slice:
        """Which of all rows are this rank's."""
        return slice(self.start, self.start + self.lengths[self.rank])

    def peer(self, rank: int) -> int:
        """The number by which all processes know a rank of the group."""
        return rank if self.group is None else dist.get_global_rank(self.group, rank)


class RankFailedError(RuntimeError):
    """Another rank has met an error; `gcl.fit` tells which."""


def ranks(z: Tensor, group: Any = None, *, kind: int = 0) -> Ranks | None:
    """The ranks, and how many rows each of them brings.

    Every rank must call it, and the same number of times: one all-gather of four numbers.

    Args:
        z: this rank's rows, `[n, ...]`; other ranks may have other numbers of rows, or none.
        group: a process group; all processes if None.
        kind: a number that must be the same on all ranks, to notice ranks that do different things.

    Returns None where there is nobody to ask: no process group, one of a single process, or inside
    `alone()` (which is where `fit(..., contrast="local")` runs).

    Raises:
        ValueError: rows of different widths, or another kind, on different ranks.
        RankFailedError: a rank has failed, in `gcl.fit`.
    """
    if not others(group):
        return None
    # Drawn by all, so that the generators move alike; the first one's counts.
    seed = int(torch.randint(2**62, ()))
    width = z.shape[-1] if z.dim() > 1 else 0
    table = meet(z.device, (len(z), width, kind, seed), group)
    if any(row[1:3] != table[0][1:3] for row in table):
        raise ValueError(
            "The ranks do not compute the same: they come with rows of widths "
            f"{[row[1] for row in table]}; give all of them the same method and data of one kind."
        )
    lengths = tuple(row[0] for row in table)
    return Ranks(group, dist.get_rank(group), len(table), lengths, table[0][3])


def others(group: Any = None) -> bool:
    """Whether there are other ranks to ask: not outside a group, and not inside `alone()`."""
    return not _ALONE.get() and group_size(group) > 1


def group_size(group: Any = None) -> int:
    """Processes of the group; 1 where there is none."""
    if not (dist.is_available() and dist.is_initialized()):
        return 1
    return dist.get_world_size(group)


def meet(device: torch.device, told: tuple[int, ...], group: Any = None) -> list[list[int]]:
    """Some numbers of every rank, in rank order.

    Raises:
        RankFailedError: another rank has failed and will not come, as far as `watching` tells.
    """
    mine = torch.tensor(told, dtype=torch.long, device=device)
    table = [torch.empty_like(mine) for _ in range(group_size(group))]
    work = dist.all_gather(table, mine, group=group, async_op=True)
    watch = _WATCH.get()
    # A wait inside of the library could not be ended.
    while not _is_done(work, 0.5):
        if watch is not None and (text := watch.failed()) is not None:
            watch.hear()
            _is_done(work, _CALLED_OFF)  # one under way would keep the process from ending
            raise RankFailedError(text)
    work.wait()
    return torch.stack(table).tolist()


def _is_done(work: Any, seconds: float) -> bool:
    limit, pause = time.monotonic() + seconds, 2e-5
    while not (done := work.is_completed()) and time.monotonic() < limit:
        time.sleep(pause)
        pause = min(2 * pause, 2e-3)  # short at first, for most come at once
    return done


def call_off(device: torch.device, numbers: int) -> None:
    """Comes to the meeting at which all others wait for a rank that has failed."""
    mine = torch.zeros(numbers, dtype=torch.long, device=device)
    table = [torch.empty_like(mine) for _ in range(group_size())]
    _is_done(dist.all_gather(table, mine, async_op=True), _CALLED_OFF)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Inside, a rank that waits for the others asks whether one has failed, and what it said."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


@contextmanager
def alone(whether: bool = True) -> Iterator[None]:
    """Inside, `ranks` answers that there is nobody else, or (False) asks them again."""
    token = _ALONE.set(whether)
    try:
        yield
    finally:
        _ALONE.reset(token)


@contextmanager
def common_draws(together: Ranks | None) -> Iterator[None]:
    """Inside, torch's global generators give the same numbers on every rank.

    For what a loss draws: every rank computes parts of one loss, which has one set of negatives.
    Afterwards the generators are where they were.
    """
    if together is None:
        yield
        return
    on_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_cuda else []):
        torch.default_generator.manual_seed(together.seed)
        if on_cuda:
            torch.cuda.manual_seed(together.seed)
        yield


def total(x: Tensor, together: Ranks) -> Tensor:
    """The sum over ranks of tensors of one shape; its gradient is summed, too."""
    return _Total.apply(x, together)


def rows(z: Tensor, together: Ranks, *, summed: bool = False) -> Tensor:
    """The rows of all ranks in rank order; the backward pass sends nothing.

    Every rank must make the same scalar of them: then the gradient of a rank's own rows, times
    `size`, is that of the mean which DistributedDataParallel takes over the ranks.

    Args:
        z: this rank's rows.
        together: the ranks, and how many rows each has.
        summed: ranks make different parts of a loss (see `whole`) of the rows; their gradients are
            then summed over ranks.

    Shape:
        `[n, ...]`, n as `together.lengths` says -> `[N, ...]`.
    """
    return _Rows.apply(z, together, summed)


def own_of(z: Tensor, drawn: Tensor, together: Ranks) -> tuple[Tensor, Ranks]:
    """Of rows drawn from those of all ranks this rank's, and how many each rank has.

    Args:
        z: this rank's rows.
        drawn: positions among all rows, on the CPU, the same on all ranks.
        together: the ranks and their rows.
    """
    ends = torch.tensor(together.lengths).cumsum(0)
    of = torch.searchsorted(ends, drawn, right=True)
    mine = drawn[of == together.rank] - together.start
    lengths = tuple(torch.bincount(of, minlength=together.size).tolist())
    return z[mine.to(z.device)], replace(together, lengths=lengths)


def whole(part: Tensor, together: Ranks) -> Tensor:
    """The loss, of which every rank has a part: their sum. The backward pass sends nothing."""
    return _Whole.apply(part, together)


def pairs(index: Tensor, together: Ranks, of_pairs: Ranks) -> Tensor:
    """Pairs of this rank's rows `[2, p]` of all ranks, as positions among all rows, `[2, P]`.

    Args:
        index: positions among this rank's rows.
        together: of the rows.
        of_pairs: of the pairs, `ranks(index.t())`.
    """
    return rows((index + together.start).t().contiguous(), of_pairs).t().contiguous()


def across_of(loss: Any) -> Callable[..., Any] | None:
    """How a loss is computed by several ranks, `across(ranks, *rows, **per_node)`, if it says so.

    The part of this rank; the parts of all ranks add up to the loss. `NotImplemented` where it
    cannot with what it is given. A subclass that changes `forward` alone has no `across` any more:
    the inherited one is that of another loss.
    """
    across = getattr(loss, "across", None)
    if not callable(across):
        return None
    for made in type(loss).__mro__:
        if "across" in vars(made):
            return across
        if "forward" in vars(made):
            return None
    return across


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, together: Ranks) -> Tensor:
        ctx.together = together
        return _summed(x, together)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Total.apply(grad, ctx.together), None


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, together: Ranks, summed: bool) -> Tensor:
        ctx.together, ctx.summed = together, summed
        return _gathered(z, together)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        together = ctx.together
        if ctx.summed:
            return total(grad, together)[together.own], None, None
        return together.size * grad[together.own], None, None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, together: Ranks) -> Tensor:
        ctx.size = together.size
        return _summed(part, together)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.size * grad, None


def _summed(x: Tensor, together: Ranks) -> Tensor:
    # A copy, for all_reduce writes into what it is given, and contiguous, for it takes no views.
    x = x.detach().clone(memory_format=torch.contiguous_format)
    if x.numel():
        dist.all_reduce(x, group=together.group)
    return x


def _gathered(z: Tensor, together: Ranks) -> Tensor:
    z, longest = z.detach(), max(together.lengths)
    if not longest or not z[:0].new_empty(1, *z.shape[1:]).numel():
        return z.new_zeros(together.total, *z.shape[1:])
    sent = z.new_zeros(longest, *z.shape[1:], dtype=torch.uint8 if z.dtype == torch.bool else None)
    sent[: len(z)] = z
    parts = [torch.empty_like(sent) for _ in range(together.size)]
    dist.all_gather(parts, sent, group=together.group)
    held = [part[:length] for part, length in zip(parts, together.lengths, strict=True)]
    return torch.cat(held).to(z.dtype)
