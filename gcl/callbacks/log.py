"""The history of a training for a tracker of experiments."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from gcl.checks import check_count, shown
from gcl.training.state import Callback, State

Writer = Callable[[dict[str, float], int], Any]


class Log(Callback):
    """Hands the row of every epoch to a writer: TensorBoard, wandb, mlflow, or your own function.

    A row has the epoch, loss, lr and seconds, and what `Evaluate` and `Diagnose` add; the step that
    comes with it is the number of optimizer steps done. It is handed over at once, so that what an
    interrupted training has shown is written; resuming goes on with the next epoch, and epochs that
    were lost are written once more under their steps.

    A writer that raises ends no training: the first time is a warning, later rows are tried again,
    and how many were lost is told at the end. Interrupts pass.

    Args:
        writer: `(row, step)`, a dict from names to numbers and a whole number, e.g. `run.log` of
            wandb or `mlflow.log_metrics`.
        every: epochs between two rows, >= 1; the last one always comes.
        every_steps: optimizer steps between two rows of `step_loss` and `lr` within epochs, >= 1;
            none if None. On a GPU each of them waits for the device.

    Raises:
        TypeError: nothing to call, or not with two arguments.
        ValueError: a number below 1.

    Example:
        >>> import gcl
        >>> rows = []
        >>> data = gcl.datasets.load("karate")
        >>> log = Log(lambda row, step: rows.append((step, sorted(row))))
        >>> state = gcl.fit(gcl.methods.grace(data, hidden=8), data, epochs=2, callbacks=[log])
        >>> rows[-1]
        (2, ['epoch', 'loss', 'lr', 'seconds'])
    """

    last = True  # the row holds what other callbacks measured

    def __init__(self, writer: Writer, *, every: int = 1, every_steps: int | None = None):
        if not callable(writer) or isinstance(writer, type):
            raise TypeError(
                f"Log: writer must be a function (row, step), got {shown(writer)}; of an object "
                "give the method that writes, such as run.log."
            )
        _check_takes_two(writer)
        check_count("Log", every=every)
        if every_steps is not None:
            check_count("Log", every_steps=every_steps)
        self.writer, self.every, self.every_steps = writer, every, every_steps
        self._written = 0
        self._tried = self._lost = 0

    def on_start(self, state: State) -> None:
        self._written, self._tried, self._lost = state.epoch, 0, 0

    def on_step_end(self, state: State, batches: int | None) -> None:
        if self.every_steps is not None and state.step % self.every_steps == 0:
            state.progress.read(state.method, state.epoch)
            row = {"step_loss": state.progress.last, "lr": state.progress.lr}
            self._write(row, state.step)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0:
            self._write_epoch(state)

    def on_end(self, state: State) -> None:
        if state.epoch > self._written:  # the last epoch, however the training ended
            self._write_epoch(state)
        if self._lost > 1:
            warnings.warn(
                f"Log: {self._lost} of {self._tried} rows were not written; state.history has the "
                "epochs.",
                stacklevel=3,
            )

    def _write_epoch(self, state: State) -> None:
        row = dict(state.history[-1])
        self._written = state.epoch
        self._write(row, int(row.pop("step")))

    def _write(self, row: dict[str, float], step: int) -> None:
        self._tried += 1
        try:
            self.writer(row, step)
        except Exception as error:
            self._lost += 1
            if self._lost == 1:
                why = " ".join(str(error).split())
                warnings.warn(
                    f"Log: the writer failed at step {step} ({type(error).__name__}: "
                    f"{why[:200]}); training goes on, and so do the attempts to write.",
                    stacklevel=4,
                )


def _check_takes_two(writer: Writer) -> None:
    try:
        signature = inspect.signature(writer)
    except (TypeError, ValueError):  # not every callable tells
        return
    try:
        signature.bind({}, 0)
    except TypeError:
        raise TypeError(
            f"Log: writer must take (row, step), a dict and a number, but it takes {signature}; "
            "wrap it: lambda row, step: ..."
        ) from None
