"""The processes that torchrun has started: how they begin, and wait for the first of them."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from gcl.ops.ranks import RankFailedError, group_size

T = TypeVar("T")
_FAILED = "gcl.processes/failed"
_TOLD = count()


def launched() -> int:
    """How many processes torchrun has started, this one among them; 1 without it.

    Example:
        >>> launched()
        1
    """
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


@contextmanager
def processes(device: str | torch.device = "cpu") -> Iterator[int]:
    """Inside, the processes of torchrun are a process group; in a process alone, nothing is done.

    Over gloo on a CPU and over NCCL on CUDA, where every process gets a device of its own. Begun
    anew after every restart of torchrun, ended with the block, also by an error.

    Args:
        device: where the processes compute.

    Yields:
        Which of the processes this is; the first, 0, is the one to print and write.

    Raises:
        ValueError: there is a process group already.

    Example:
        >>> with processes() as rank:  # the same script alone and under torchrun
        ...     print(rank)
        0
    """
    if launched() == 1:
        yield 0
        return
    if dist.is_initialized():
        raise ValueError("processes: there is a process group already; begin it once.")
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, size = next(iter(dist.rendezvous("env://")))
    # torchrun's store keeps the addresses of the processes before a restart, and gloo may take
    # those: every start gets a part of the store to itself.
    store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
    dist.init_process_group("nccl" if on_cuda else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield rank
    except BaseException as error:
        with suppress(RuntimeError):  # the store has gone
            if not store.check([_FAILED]):
                store.set(_FAILED, f"rank {rank} has failed. {type(error).__name__}: {error}")
        raise
    finally:
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this is the process that prints and writes: the first, or the only one.

    Example:
        >>> is_first()
        True
    """
    return group_size() == 1 or dist.get_rank() == 0


def from_first(make: Callable[[], T]) -> T:
    """What a function gives on the first process, on all of them.

    The others wait for as long as it takes; a barrier would give up after half an hour.

    Args:
        make: called on the first process alone. What it gives can be pickled.

    Raises:
        RankFailedError: a process has failed inside of `processes()`.

    Example:
        >>> from_first(lambda: 3)
        3
    """
    if group_size() == 1:
        return make()
    key, store = f"gcl.processes/{next(_TOLD)}", dist.distributed_c10d._get_default_store()
    if dist.get_rank() == 0:
        made = make()
        store.set(key, pickle.dumps(made))  # type: ignore[arg-type]
        return made
    while not store.check([key]):
        if store.check([_FAILED]):
            raise RankFailedError(store.get(_FAILED).decode())
        time.sleep(0.05)
    told: T = pickle.loads(store.get(key))
    return told


def on_first(make: Callable[[], T]) -> T | None:
    """What a function gives on the first process, and None on the others, once it has.

    Args:
        make: called on the first process alone.

    Raises:
        RankFailedError: see `from_first`.

    Example:
        >>> on_first(lambda: 3)
        3
    """
    found: list[T] = []

    def keep() -> None:
        found.append(make())

    from_first(keep)
    return found[0] if found else None


def first_before_others(make: Callable[[], T]) -> T:
    """What a function gives, called on the first process and then on the others.

    For what writes files that the others find, such as downloads.

    Args:
        make: called on every process.

    Raises:
        RankFailedError: see `from_first`.

    Example:
        >>> first_before_others(lambda: 3)
        3
    """
    made: Any = on_first(make)
    return made if is_first() else make()
