"""Where a training run stands, and what may happen between its epochs."""

from __future__ import annotations

import copy
import inspect
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch_geometric.data.data import BaseData

from gcl import checkpoint
from gcl.contracts import Method
from gcl.graphs.digest import data_digest
from gcl.training.batches import load_loader_state, loader_state
from gcl.training.progress import NonFiniteLossError as NonFiniteLossError  # where it used to be
from gcl.training.progress import Progress
from gcl.training.team import Team, random_state_of_rank

EVERY_EPOCH = ("epoch", "step", "loss", "lr", "seconds")  # what the history tells of each


class Callback:
    """Hooks into `fit`; override what you need.

    `state_dict` and `load_state_dict` carry what must survive a restart (tensors, numbers, lists,
    dicts). A callback must not draw from the global generators, or seeds mean different runs with
    and without it.

    Attributes:
        last: runs after the callbacks that do not say so; for what must see their work.
        every_rank: runs in every process of a training of several; else in the first only.
    """

    last = False
    every_rank = False

    def on_start(self, state: State) -> None:
        """Before the first epoch (after resuming)."""

    def on_step_end(self, state: State, batches: int | None) -> None:
        """After every optimizer step; batches is how many an epoch has, None where nobody knows."""

    def on_epoch_end(self, state: State) -> None:
        """After every epoch; `state.history[-1]` is its row, `state.stop = "why"` ends training."""

    def on_end(self, state: State) -> None:
        """Always, also after errors and interrupts; `state.finished` tells."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


def is_due(state: State, every: int) -> bool:
    """Every so many epochs, and after the last."""
    return state.epoch % every == 0 or state.epoch == state.epochs


@dataclass
class State:
    """Where a training run stands; callbacks read it, `fit` returns it.

    Attributes:
        method: what is trained (unwrapped from DistributedDataParallel).
        data: the prepared graph, or the loader.
        epochs: epochs asked for.
        epoch: epochs done.
        step: optimizer steps done.
        history: one dict an epoch: epoch, step, loss (mean over its batches), lr, seconds, and
            what callbacks such as `Evaluate` add.
        stop: set by a callback to a reason to end after this epoch.
        finished: training came to its end (and not to an error or an interrupt).
        given: the graph as `fit` got it, None of a loader.
        team: the processes that train together, None of one.
        progress: what the epoch under way has gathered; no steps between epochs.
    """

    method: Method
    data: Any
    optimizer: Optimizer
    scheduler: LRScheduler | None
    epochs: int
    callbacks: list[Callback]
    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str | None = None
    finished: bool = False
    given: BaseData | None = None
    team: Team | None = None
    progress: Progress = field(default_factory=Progress)

    @cached_property
    def data_digest(self) -> str | None:
        """What a checkpoint knows the graph by; None of a loader."""
        return None if self.given is None else data_digest(self.given)

    @property
    def loss(self) -> float:
        """Loss of the last epoch; NaN before the first."""
        return self.history[-1]["loss"] if self.history else math.nan

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on as if it had never stopped.

        Of several processes all must call it: the state of each is part of it.
        """
        random, loader = checkpoint.random_state(), loader_state(self.data)
        further: dict[str, Any] = {} if loader is None else {"loader": loader}
        progress: dict[str, Any] = {}
        if self.progress.steps:
            self.progress.read(self.method, self.epoch)
            progress = self.progress.state_dict()
        if self.team is not None:
            states = self.team.gathered((random, loader, progress))
            further["ranks"] = [
                {"random": own, "loader": position, "progress": so_far}
                for own, position, so_far in states
            ]
            random, progress = states[0][0], states[0][2]
        return {
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "stop": self.stop,
            "data": self.data_digest,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self.callbacks],
            "random": random,
            "progress": progress,
            **further,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises:
            CheckpointError: it is not of that form, belongs to another method, optimizer or graph,
                or holds the state of a callback that this run has not.
        """
        check_saved(saved)
        if saved.get("data") and self.data_digest and saved["data"] != self.data_digest:
            raise checkpoint.CheckpointError(
                "The checkpoint was written while training on another graph; resume with the same, "
                "or begin anew from its weights: "
                "method.load_state_dict(gcl.checkpoint.load(path)['method'])."
            )
        callbacks = [*self.callbacks]
        restored = []
        for name, state in saved["callbacks"]:
            found = next((c for c in callbacks if type(c).__name__ == name), None)
            if found is not None:
                callbacks.remove(found)
                restored.append((found, state))
            elif state and (self.team is None or self.team.leads):
                raise checkpoint.CheckpointError(
                    f"The checkpoint holds the state of a callback {name}, which this run has not; "
                    "give it, too."
                )
        if (self.scheduler is None) != (saved["scheduler"] is None):
            raise checkpoint.CheckpointError(
                "The checkpoint and this run disagree on having a learning-rate scheduler."
            )
        with _as_misfit("this method or optimizer"):
            self.method.load_state_dict(saved["method"])
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict(saved["optimizer"])
            _check_optimizer(self.optimizer, groups)
        if self.scheduler is not None:
            with _as_misfit("this learning-rate scheduler"):
                _load_scheduler(self.scheduler, saved["scheduler"])
        for callback, state in restored:
            with _as_misfit(f"the callback {type(callback).__name__}"):
                callback.load_state_dict(state)
        random, loader, progress = self._own_part(saved)
        if progress and isinstance(self.data, BaseData):
            raise checkpoint.CheckpointError(
                "The checkpoint was written in the middle of an epoch over a loader, and this run "
                "has one graph; resume with the loader."
            )
        if loader is not None and not isinstance(self.data, BaseData):
            with _as_misfit("this loader"):
                load_loader_state(self.data, loader)
        checkpoint.set_random_state(random)
        self.epoch, self.step = saved["epoch"], saved["step"]
        self.history, self.stop = saved["history"], saved["stop"]
        if progress:
            self.progress.load_state_dict(progress)

    def _own_part(self, saved: dict[str, Any]) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        """Random state, position of the loader and progress in the epoch of this process."""
        alone = {key: saved.get(key) for key in ("random", "loader", "progress")}
        there = saved.get("ranks") or [alone]
        size, rank = (1, 0) if self.team is None else (self.team.size, self.team.rank)
        if len(there) != size and rank == 0:
            warnings.warn(
                f"The checkpoint was written by {len(there)} processes and goes on in {size}: the "
                "training is as good, but not bit for bit the same.",
                stacklevel=4,
            )
        own = there[rank if rank < len(there) else 0]
        random = own["random"] if rank < len(there) else random_state_of_rank(rank)
        return random, own["loader"], own.get("progress") or {}


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state of a training in a file of `gcl.callbacks.Checkpoint`, its form checked.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: damaged, or no state of a training.
    """
    saved = checkpoint.load(path)
    try:
        check_saved(saved)
    except checkpoint.CheckpointError as error:
        raise checkpoint.CheckpointError(f"{path}: {error}") from None
    return saved


def check_saved(saved: Any) -> None:
    """Raises CheckpointError where something is not what `State.state_dict` returns."""
    parts: dict[str, Any] = {
        "epoch": int, "step": int, "history": list, "stop": (str, type(None)), "method": dict,
        "optimizer": dict, "scheduler": (dict, type(None)), "callbacks": list, "random": dict,
    }  # fmt: skip
    if not isinstance(saved, dict):
        raise _no_training(f"it holds a {type(saved).__name__}")
    for name, kind in parts.items():
        if name not in saved:
            raise _no_training(f"it has no {name!r}")
        if not isinstance(saved[name], kind) or isinstance(saved[name], bool):
            raise _no_training(f"its {name!r} is a {type(saved[name]).__name__}")
    # Earlier versions have none of these.
    optional = {"data": str, "about": dict, "loader": dict, "ranks": list, "progress": dict}
    for name, further in optional.items():
        if not isinstance(saved.get(name), further | None):
            raise _no_training(f"its {name!r} is a {type(saved[name]).__name__}")
    epoch, step, history = saved["epoch"], saved["step"], saved["history"]
    if not 0 <= epoch <= step < 2**63 or len(history) != epoch:
        raise _no_training(f"it tells of {epoch} epochs, {step} steps and {len(history)} losses")
    for row in history:
        told = isinstance(row, dict) and [row.get(key) for key in EVERY_EPOCH]
        if not told or not all(map(_is_finite, told)):
            raise _no_training(
                f"an epoch of its history has no number for one of {', '.join(EVERY_EPOCH)}"
            )
    ranks = saved.get("ranks") or []
    if not all(isinstance(rank, dict) and {"random", "loader"} <= {*rank} for rank in ranks):
        raise _no_training("a rank has no random state or no position of its loader")
    for progress in (part.get("progress") for part in (saved, *ranks)):
        if progress:
            _check_progress(progress, step - epoch)
    if not all(isinstance(name, str) for name in saved["method"]):
        raise _no_training("its weights have no names")
    if not {"state", "param_groups"} <= set(saved["optimizer"]):
        raise _no_training("its optimizer has no state or no groups")
    for entry in saved["callbacks"]:
        pair = isinstance(entry, list) and [type(part) for part in entry] == [str, dict]
        if not pair:
            raise _no_training("an entry of its callbacks is no name with a state")


def _check_progress(progress: Any, most: int) -> None:
    """Raises CheckpointError where an epoch under way is not as `Progress` tells of it."""
    told = isinstance(progress, dict) and [progress.get(key) for key in ("lr", "seconds")]
    losses = told and progress.get("losses")
    if not told or not isinstance(losses, list) or not all(map(_is_finite, (*told, *losses))):
        raise _no_training("the epoch under way has no numbers for its losses, lr and seconds")
    if not 0 < len(losses) <= most:
        raise _no_training(f"the epoch under way has {len(losses)} losses, of {most} steps at most")


def _no_training(why: str) -> checkpoint.CheckpointError:
    return checkpoint.CheckpointError(
        f"The checkpoint is not one of a training: {why}; give a file written by "
        "gcl.callbacks.Checkpoint."
    )


@contextmanager
def _as_misfit(what: str) -> Iterator[None]:
    """What a part raises on a state that is not its own, as one sentence."""
    try:
        yield
    except checkpoint.MISFIT as error:
        reason = " ".join(str(error).split())
        reason = f"{reason[:300]} ..." if len(reason) > 300 else reason
        raise checkpoint.CheckpointError(
            f"The checkpoint does not fit {what}: {reason.rstrip('.')}."
        ) from None


def _check_optimizer(optimizer: Optimizer, before: list[dict[str, Any]]) -> None:
    """Raises ValueError for settings or states that would fail in the first step."""
    for group, own in zip(optimizer.param_groups, before, strict=True):
        for key, value in own.items():
            if key != "params" and not (key in group and _is_like(group[key], value)):
                raise ValueError(f"its {key!r} is {group.get(key)!r}")
        for parameter in group["params"]:
            try:
                _try_a_step(optimizer, parameter, own)
            except Exception:  # of a class that is not made like torch's: nothing is known of it
                continue
            try:
                _try_a_step(optimizer, parameter, group, optimizer.state.get(parameter))
            except Exception as error:
                raise ValueError(f"its state makes no step: {error}") from None


def _try_a_step(
    optimizer: Optimizer, parameter: Tensor, settings: dict[str, Any], state: Any = None
) -> None:
    """A step of an optimizer of this class, of zeros in the place of a parameter."""
    kind = type(optimizer)
    known = set(inspect.signature(kind).parameters) - {"params"}
    zeros = torch.zeros_like(parameter, requires_grad=True)
    trial = kind([zeros], **{key: value for key, value in settings.items() if key in known})
    if state is not None:
        trial.state[zeros] = copy.deepcopy(state)
    zeros.grad = torch.zeros_like(zeros)
    trial.step()


def _load_scheduler(scheduler: LRScheduler, saved: dict[str, Any]) -> None:
    # torch's schedulers take whatever they are given for attributes, methods included.
    own = scheduler.state_dict()
    for key, value in saved.items():
        if not isinstance(key, str) or (key not in own and hasattr(scheduler, key)):
            raise ValueError(f"{key!r} is no state of it")
        if key in own and not _is_like(value, own[key]):
            raise ValueError(f"its {key!r} is {value!r:.80}")
    if missing := sorted(set(own) - set(saved)):
        raise ValueError(f"it has no {missing[0]!r}")
    scheduler.load_state_dict(saved)


def _is_like(value: Any, own: Any) -> bool:
    """Whether a setting can stand in the place of another."""
    if own is None:
        return True
    if isinstance(own, bool | str | dict):
        kind = dict if isinstance(own, dict) else type(own)  # a Counter comes back as a dict
        return isinstance(value, kind)
    if isinstance(own, list | tuple):
        alike = isinstance(value, list | tuple) and len(value) == len(own)
        return alike and all(_is_like(v, o) for v, o in zip(value, own, strict=True))
    if isinstance(own, Tensor):
        return _is_number(value) or (isinstance(value, Tensor) and value.numel() == own.numel())
    if isinstance(own, int | float):
        if isinstance(value, Tensor):
            return value.numel() == 1
        return _is_number(value) and (math.isfinite(value) or not math.isfinite(own))
    return True


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**63
    return isinstance(value, float)


def with_names_of_now(saved: dict[str, Any], method: Method) -> dict[str, Any]:
    """The weights of an earlier version, where objectives and what JOAO wraps had other names."""
    own = method.state_dict()
    found = {}
    for key, value in saved.items():
        names = [re.sub(r"(^|\.)contrast\.", rf"\1{new}.", key) for new in ("objective", "method")]
        found[key if key in own else next((n for n in names if n in own), key)] = value
    return found
