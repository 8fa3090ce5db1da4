"""A bar on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gcl.training.state import Callback, State


class ProgressBar(Callback):
    """A bar with the loss; on anything but a terminal one line at the end.

    Args:
        label: shown before the bar.
        console: where to draw; standard error if None.
        summary: whether there is that line.
    """

    def __init__(
        self, label: str = "training", *, console: Console | None = None, summary: bool = True
    ):
        self.label, self.summary = label, summary
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

    def on_step_end(self, state: State, batches: int | None) -> None:
        if batches is not None and batches > 1:
            self._bar.update(self._task, completed=state.step / batches)

    def on_epoch_end(self, state: State) -> None:
        shown = f"loss {state.loss:.4f}"
        self._bar.update(self._task, completed=state.epoch, shown=shown)

    def on_end(self, state: State) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()
        if self.summary and state.finished and not self.console.is_terminal:
            seconds = sum(row["seconds"] for row in state.history)
            why = f"; stopped: {state.stop}" if state.stop else ""
            line = f"{self.label}: {state.epoch} epochs in {seconds:.1f} s, loss {state.loss:.4f}"
            self.console.print(f"{line}{why}", soft_wrap=True, markup=False, highlight=False)
