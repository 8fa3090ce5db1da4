"""The history of a training as a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from gcl import checkpoint
from gcl.checks import as_path, check_count
from gcl.training.state import Callback, State


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
        check_count("CSVLog", every=every)
        self.path, self.every = as_path("CSVLog", path), every

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
