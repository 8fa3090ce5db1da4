"""What happens between epochs: stopping, saving, showing, measuring, logging."""

from __future__ import annotations

import copy
import csv
import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from gcl import checkpoint

if TYPE_CHECKING:
    from gcl.training import State


class Callback:
    """Hooks into `fit`; override what you need.

    `state_dict` and `load_state_dict` carry what must survive a restart (tensors, numbers, lists,
    dicts). A callback must not draw from the global generators, or seeds mean different runs with
    and without it.
    """

    def on_start(self, state: State) -> None:
        """Before the first epoch (after resuming)."""

    def on_epoch_end(self, state: State) -> None:
        """After every epoch; `state.history[-1]` is its row, `state.stop = "why"` ends training."""

    def on_end(self, state: State) -> None:
        """Always, also after errors and interrupts; `state.finished` tells."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


class EarlyStopping(Callback):
    """Stop when a value has not improved for some epochs.

    Args:
        monitor: a key of `state.history` rows: "loss", or what `Evaluate` writes. Epochs without
            it do not count.
        patience: observed epochs without improvement before stopping, >= 1.
        mode: "min" or "max".
        restore_best: put the weights of the best epoch back at the end.

    Monitor validation values only: stopping on test accuracy selects on the test set.
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        patience: int = 20,
        mode: Literal["min", "max"] = "min",
        restore_best: bool = True,
    ):
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1, got {patience}.")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}.")
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.restore_best = restore_best
        self.best, self.best_epoch, self.waited = math.nan, 0, 0
        self.best_weights: dict[str, Tensor] | None = None

    def on_epoch_end(self, state: State) -> None:
        value = state.history[-1].get(self.monitor)
        if value is None:
            return
        sign = 1 if self.mode == "min" else -1
        if math.isnan(self.best) or sign * value < sign * self.best:
            self.best, self.best_epoch, self.waited = value, state.epoch, 0
            if self.restore_best:
                self.best_weights = copy.deepcopy(state.method.state_dict())
            return
        self.waited += 1
        if self.waited >= self.patience:
            state.stop = (
                f"{self.monitor} has not improved on {self.best:.6g} (epoch {self.best_epoch}) "
                f"for {self.patience} epochs"
            )

    def on_end(self, state: State) -> None:
        if state.finished and state.history and math.isnan(self.best):
            warnings.warn(
                f"EarlyStopping: no epoch had a value {self.monitor!r}; there are "
                f"{', '.join(state.history[-1])}.",
                stacklevel=2,
            )
        if state.finished and self.best_weights is not None:
            state.method.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        keys = ("best", "best_epoch", "waited", "best_weights")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Checkpoint(Callback):
    """Write a file to resume from, every few epochs and at the end.

    Args:
        path: the file, e.g. "runs/cora/checkpoint.safetensors".
        every: epochs between two writes, >= 1.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    def __init__(self, path: str | Path, *, every: int = 10):
        if every < 1:
            raise ValueError(f"Checkpoint: every must be at least 1, got {every}.")
        self.path, self.every = Path(path), every

    def on_start(self, state: State) -> None:
        self._save(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0 or state.epoch == state.epochs or state.stop is not None:
            self._save(state)

    def _save(self, state: State) -> None:
        checkpoint.save(state.state_dict(), self.path)


class ProgressBar(Callback):
    """A bar with the loss; on anything but a terminal it stays silent.

    Args:
        label: shown before the bar.
        console: where to draw; standard error if None.
    """

    def __init__(self, label: str = "training", *, console: Console | None = None):
        self.label = label
        self.console = Console(stderr=True) if console is None else console

    def on_start(self, state: State) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(
            self.label, total=state.epochs, completed=state.epoch, shown=""
        )
        self._bar.start()

    def on_epoch_end(self, state: State) -> None:
        shown = f"loss {state.loss:.4f}"
        self._bar.update(self._task, completed=state.epoch, shown=shown)

    def on_end(self, state: State) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


class Evaluate(Callback):
    """Measure the embeddings during training; results join the epoch's row of `state.history`.

    Args:
        evaluator: `(z, data) -> dict of numbers`, e.g.
            `lambda z, data: gcl.evaluate.linear_probe(z, data.y)`.
        every: epochs between two measurements, >= 1.
        prefix: put before every key.

    A loader gives `data = loader`; the embeddings of its batches come one after another.
    """

    def __init__(
        self,
        evaluator: Callable[[Tensor, Any], dict[str, float]],
        *,
        every: int = 50,
        prefix: str = "",
    ):
        if every < 1:
            raise ValueError(f"Evaluate: every must be at least 1, got {every}.")
        self.evaluator, self.every, self.prefix = evaluator, every, prefix

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every and state.epoch != state.epochs:
            return
        from gcl.training import embed_prepared

        result = self.evaluator(embed_prepared(state.method, state.data), state.data)
        state.history[-1].update({self.prefix + key: value for key, value in result.items()})


class CSVLog(Callback):
    """One line an epoch in a CSV file: epoch, step, loss, lr, seconds, and what `Evaluate` adds.

    The file always equals `state.history`: resuming drops lines of epochs that were lost.

    Args:
        path: the file.
        every: epochs between two writes, >= 1.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    def __init__(self, path: str | Path, *, every: int = 10):
        if every < 1:
            raise ValueError(f"CSVLog: every must be at least 1, got {every}.")
        self.path, self.every = Path(path), every

    def on_start(self, state: State) -> None:
        self._write(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0:
            self._write(state)

    def on_end(self, state: State) -> None:
        if state.history:
            self._write(state)

    def _write(self, state: State) -> None:
        columns = list(dict.fromkeys(key for row in state.history for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(state.history)
        checkpoint.write_atomically(self.path, text.getvalue().encode())
