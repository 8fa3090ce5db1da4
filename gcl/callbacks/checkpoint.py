"""Files to resume from."""

from __future__ import annotations

from pathlib import Path

from gcl import checkpoint
from gcl.checks import check_count
from gcl.training.state import Callback, State


class Checkpoint(Callback):
    """Write a file to resume from, every few epochs and at the end.

    Args:
        path: the file, e.g. "runs/cora/checkpoint.safetensors".
        every: epochs between two writes, >= 1.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    last = True  # the file holds what the other callbacks did in its epoch

    def __init__(self, path: str | Path, *, every: int = 10):
        check_count("Checkpoint", every=every)
        self.path, self.every = Path(path), every

    def on_start(self, state: State) -> None:
        self._save(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0 or state.epoch == state.epochs or state.stop is not None:
            self._save(state)

    def _save(self, state: State) -> None:
        checkpoint.save(state.state_dict(), self.path)
