"""The ranks of one training: how they start, keep step, tell each other of errors, and end."""

from __future__ import annotations

import inspect
import os
import random
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any, Literal, TypeAlias

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch_geometric import seed_everything

from gcl import checkpoint
from gcl.contracts import Method
from gcl.distributed import (
    GlobalBatch,
    RankFailedError,
    alone,
    call_off,
    group_size,
    meet,
    watching,
)
from gcl.nn.global_batch_norm import with_global_norms
from gcl.training import connections

Contrast: TypeAlias = Literal["global", "local"]

# Tells a meeting of the loop from one of rows, should ranks come to different ones.
_OF_THE_LOOP = 1 << 40
# Seconds that a rank which has failed waits for the others to come to a meeting, where they hear of
# it, and to hear of it after it has closed the connections under them.
_MET, _HEARD = 2.0, 15.0
_TRAININGS = count()


class Team:
    """The processes of a group that train one method, as one of them sees it.

    Args:
        device: where this rank computes.
        contrast: "global" for one loss over the rows of all ranks, "local" for each rank's own.
    """

    def __init__(self, device: torch.device, contrast: Contrast):
        self.device, self.contrast = device, contrast
        self.rank, self.size = dist.get_rank(), group_size()
        # All ranks train equally often, so this is the same number on all. torchrun's store may
        # outlive a restart, and what failed before it.
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self.key = f"gcl.fit/{start}/{next(_TRAININGS)}"
        self.store = dist.distributed_c10d._get_default_store()
        own = connections.ends_here()
        self.connections = connections.between(own, self.gathered(own), self.store)

    @property
    def leads(self) -> bool:
        """Whether this is the rank that writes and shows."""
        return self.rank == 0

    def enter(self, method: nn.Module, inner: Method) -> nn.Module:
        """The method as all ranks train it: equal weights, norms over all rows, averaged gradients.

        Raises:
            ValueError: a method whose loss over several processes would be another one.
        """
        if self.contrast == "global":
            owners(inner)  # what cannot be said of all ranks is refused here
            if (norms := with_global_norms(inner)) and self.leads:
                warnings.warn(
                    f"fit: {norms} BatchNorm layers of {type(inner).__name__} now take their "
                    f"statistics from the rows of all {self.size} ranks.",
                    stacklevel=4,
                )
        if isinstance(method, DistributedDataParallel):
            return method
        on_cuda = self.device.type == "cuda"
        # Buffers are made of the rows of all ranks. And a rank that has failed would leave those
        # that wait for its buffers. The word for it is another one from torch 2.13 on.
        known = inspect.signature(DistributedDataParallel).parameters
        word = next(k for k in ("forward_sync_buffers", "broadcast_buffers") if k in known)
        options: dict[str, Any] = {word: False, "find_unused_parameters": True}
        devices: Any = [self.device] if on_cuda else None
        return DistributedDataParallel(method, devices, **options)

    def seed(self) -> None:
        """Views of their own on every rank, from a number that the first draws."""
        drawn = meet(self.device, (int(torch.randint(2**31, ())), 0, _OF_THE_LOOP, 0))[0][0]
        seed_everything((drawn + self.rank) % 2**32)

    def batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches of this rank, as many as all the others have.

        Raises:
            ValueError: ranks have different numbers of batches.
        """
        for step, batch in enumerate(_and_none(batches)):
            there = [row[0] for row in self.agree(batch is not None)]
            if not any(there):
                return
            if not all(there):
                short = [rank for rank, more in enumerate(there) if not more]
                raise ValueError(
                    f"fit: the loader of rank {short[0]} gave {step} batches, others more; "
                    "every rank must give equally many: partition the rows evenly, or drop the "
                    "last batch."
                )
            yield batch

    def agree(self, told: int = 0) -> list[list[int]]:
        """Waits for all ranks, and hears a number of each.

        Raises:
            RankFailedError: one of them has failed.
        """
        return meet(self.device, (int(told), 0, _OF_THE_LOOP, 0))

    @contextmanager
    def computing(self, inner: Method) -> Iterator[None]:
        """Where the forward pass runs; elsewhere a rank asks nobody."""
        if self.contrast == "local":
            yield
            return
        with ExitStack() as stack:
            for owner in owners(inner):
                stack.enter_context(_global_objective(owner))
            stack.enter_context(alone(False))
            yield

    def share(self, mine: Any) -> Any:
        """What the first rank has, on all ranks."""
        self.agree()
        told = [mine]
        dist.broadcast_object_list(told, src=0, device=self.device)
        return told[0]

    def gathered(self, mine: Any) -> list[Any]:
        """What every rank has, on all ranks."""
        self.agree()
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, mine)
        return found

    def mean(self, value: float) -> float:
        """The mean of a number over ranks."""
        return sum(self.gathered(value)) / self.size

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """An error of one rank ends the training on all, with its message.

        Raises:
            RankFailedError: another rank has failed.
        """
        with alone(), watching(self):
            try:
                yield
            except RankFailedError:
                if self._has("closed"):  # a third rank may be waiting for this one
                    connections.close(self.connections)
                raise
            except BaseException as error:
                text, gone = self.failed(), _is_gone(error)
                self._leave(error, gone)
                if gone:
                    told = self.failed() or _without_a_word(error)
                    raise RankFailedError(told) from error
                if text is not None and isinstance(error, RuntimeError | dist.DistError):
                    raise RankFailedError(text) from error
                raise

    def failed(self) -> str | None:
        """What a rank that has failed had to say; None while all is well."""
        if not self._has("failed"):
            return None
        try:
            return self.store.get(f"{self.key}/failed").decode()
        except RuntimeError:  # the store has gone with its rank
            return None

    def hear(self) -> None:
        """Tells that this rank has heard of it."""
        with suppress(RuntimeError):
            self.store.add(f"{self.key}/heard", 1)

    def _leave(self, error: BaseException, gone: bool) -> None:
        """Tells the others, unless one of them was first, and comes to the meeting they wait at.

        Where they do not come to one, they may be waiting in another collective, such as the
        average of the gradients: they hear of it when the connections are gone.
        """
        try:
            if self.failed() is None:
                text = f"fit: rank {self.rank} has failed. {type(error).__name__}: {error}"
                self.store.set(f"{self.key}/failed", _without_a_word(error) if gone else text)
            self.hear()
            if not gone and self._all_have_heard(_MET):
                call_off(self.device, 4)
                return
            self.store.set(f"{self.key}/closed", "")
            connections.close(self.connections)
            # One that leaves at once takes the store with it, if that is its own. A rank that was
            # killed hears nothing.
            self._all_have_heard(_MET if gone else _HEARD, closed=True)
        except RuntimeError:  # the store has gone with its rank
            connections.close(self.connections)

    def _all_have_heard(self, seconds: float, *, closed: bool = False) -> bool:
        """Waits for it, but not for those who could not any more, once connections are closed."""
        limit = time.monotonic() + seconds
        while self.store.add(f"{self.key}/heard", 0) < self.size:
            if time.monotonic() > limit or (not closed and self._has("closed")):
                return False
            time.sleep(0.05)
        return closed or not self._has("closed")

    def _has(self, name: str) -> bool:
        try:
            return bool(self.store.check([f"{self.key}/{name}"]))
        except RuntimeError:  # the store has gone with its rank
            return False


def _is_gone(error: BaseException) -> bool:
    """Whether it is no error of this rank, but a connection that another has left."""
    found = isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    return found or isinstance(error, dist.DistBackendError | dist.DistNetworkError)


def _without_a_word(error: BaseException) -> str:
    return f"fit: another rank has ended without a word, perhaps killed: {error}"


def owners(method: Method) -> list[Method]:
    """The methods whose `objective` makes the loss, the method itself or those inside of it.

    Raises:
        ValueError: the loss of several processes would be another one, or nobody knows.
    """
    name = type(method).__name__
    if method.one_process is not None:
        raise ValueError(
            f"fit: {name} trains in one process: {method.one_process}. contrast='local' trains "
            "every rank on a loss of its own rows."
        )
    if method.global_loss:
        return []
    if callable(getattr(method, "objective", None)):
        return [method]
    inside = [part for part in method.children() if isinstance(part, Method | nn.ModuleList)]
    listed = [p for part in inside for p in (part if isinstance(part, nn.ModuleList) else [part])]
    methods = [part for part in listed if isinstance(part, Method)]
    if not methods:
        raise ValueError(
            f"fit: {name} does not say how its loss is that of several processes: call its loss "
            "self.objective, or set global_loss = True if it asks gcl.distributed itself; "
            "contrast='local' trains every rank on a loss of its own rows."
        )
    return [owner for part in methods for owner in owners(part)]


@contextmanager
def _global_objective(owner: Method) -> Iterator[None]:
    """`owner.objective` over all ranks, for as long as the forward pass takes.

    Names of parameters, and what callbacks see, are those of before.
    """
    own: Any = owner.objective
    delattr(owner, "objective")
    owner.objective = GlobalBatch(own)
    try:
        yield
    finally:
        delattr(owner, "objective")
        owner.objective = own


def _and_none(batches: Iterable[Any]) -> Iterator[Any]:
    yield from batches
    yield None


def random_state_of_rank(rank: int) -> dict[str, Any]:
    """A state for a rank that a checkpoint knows nothing of: not that of any other."""
    before = checkpoint.random_state()
    seed_everything((random.randrange(2**31) + 7919 * rank) % 2**32)
    made = checkpoint.random_state()
    checkpoint.set_random_state(before)
    return made
