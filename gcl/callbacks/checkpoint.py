"""Files to resume from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcl import checkpoint
from gcl.checks import as_path, check_count
from gcl.training.state import Callback, State


class Checkpoint(Callback):
    """Write a file to resume from, every few epochs and at the end.

    Several processes have one file, written by the first: weights, and the random state of each.
    With as many of them training goes on bit for bit; with others, with a warning.

    Args:
        path: the file, e.g. "runs/cora/checkpoint.safetensors".
        every: epochs between two writes, >= 1.
        about: what the training is, kept in the file under "about"; the reader compares it.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    every_rank = True  # the file holds the random state of all
    last = True  # the file holds what the other callbacks did in its epoch

    def __init__(
        self, path: str | Path, *, every: int = 10, about: Mapping[str, Any] | None = None
    ):
        check_count("Checkpoint", every=every)
        self.path, self.every, self.about = as_path("Checkpoint", path), every, about

    def on_start(self, state: State) -> None:
        self.save(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0 or state.epoch == state.epochs or state.stop is not None:
            self.save(state)

    def save(self, state: State) -> None:
        """Write the file now."""
        told = {} if self.about is None else {"about": dict(self.about)}
        saved = state.state_dict() | told
        if state.team is None or state.team.leads:
            checkpoint.save(saved, self.path)
        if state.team is not None:
            state.team.agree()  # the file is there before anybody goes on
