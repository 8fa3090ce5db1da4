"""Where a training run stands, and what may happen between its epochs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch_geometric.data.data import BaseData

from gcl import checkpoint
from gcl.contracts import Method
from gcl.graphs.digest import data_digest


class Callback:
    """Hooks into `fit`; override what you need.

    `state_dict` and `load_state_dict` carry what must survive a restart (tensors, numbers, lists,
    dicts). A callback must not draw from the global generators, or seeds mean different runs with
    and without it.

    Attributes:
        last: runs after the callbacks that do not say so; for what must see their work.
    """

    last = False

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

    @cached_property
    def data_digest(self) -> str | None:
        """What a checkpoint knows the graph by; None of a loader."""
        return None if self.given is None else data_digest(self.given)

    @property
    def loss(self) -> float:
        """Loss of the last epoch; NaN before the first."""
        return self.history[-1]["loss"] if self.history else math.nan

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on as if it had never stopped."""
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
            "random": checkpoint.random_state(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises:
            CheckpointError: it belongs to another method, optimizer or graph, or holds the state of
                a callback that this run has not.
        """
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
            elif state:
                raise checkpoint.CheckpointError(
                    f"The checkpoint holds the state of a callback {name}, which this run has not; "
                    "give it, too."
                )
        if (self.scheduler is None) != (saved["scheduler"] is None):
            raise checkpoint.CheckpointError(
                "The checkpoint and this run disagree on having a learning-rate scheduler."
            )
        try:
            self.method.load_state_dict(saved["method"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            reason = f"{reason[:300]} ..." if len(reason) > 300 else reason
            raise checkpoint.CheckpointError(
                f"The checkpoint does not fit this method or optimizer: {reason}"
            ) from None
        if self.scheduler is not None:
            self.scheduler.load_state_dict(saved["scheduler"])
        for callback, state in restored:
            callback.load_state_dict(state)
        self.epoch, self.step = saved["epoch"], saved["step"]
        self.history, self.stop = saved["history"], saved["stop"]
        checkpoint.set_random_state(saved["random"])


def with_names_of_now(saved: dict[str, Any], method: Method) -> dict[str, Any]:
    """The weights of an earlier version, where objectives and what JOAO wraps had other names."""
    own = method.state_dict()
    found = {}
    for key, value in saved.items():
        names = [re.sub(r"(^|\.)contrast\.", rf"\1{new}.", key) for new in ("objective", "method")]
        found[key if key in own else next((n for n in names if n in own), key)] = value
    return found


class NonFiniteLossError(ArithmeticError):
    """The loss or its gradient became NaN or infinite; the message names step and likely cause."""
