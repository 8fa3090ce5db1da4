"""Files to resume from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch_geometric.data.data import BaseData

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
        every_steps: steps between two writes, >= 1, in the middle of an epoch, too; None for whole
            epochs alone. For loaders that know which batches of an epoch they have given, by
            `state_dict` and `load_state_dict`, such as those of `gcl.loader`.
        about: what the training is, kept in the file under "about"; the reader compares it.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
        ValueError: every_steps with a loader that does not know its place; before training starts.

    Example:
        >>> import gcl, os, tempfile
        >>> data = gcl.datasets.load("karate")
        >>> loader = gcl.loader.NeighborBatches(data, [5], batch_size=8)
        >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
        >>> keep = Checkpoint(path, every_steps=2)
        >>> method = gcl.methods.grace(data, hidden=8)
        >>> gcl.fit(method, loader, epochs=2, callbacks=[keep]).step
        10
    """

    every_rank = True  # the file holds the random state of all
    last = True  # the file holds what the other callbacks did in its epoch

    def __init__(
        self,
        path: str | Path,
        *,
        every: int = 10,
        every_steps: int | None = None,
        about: Mapping[str, Any] | None = None,
    ):
        check_count("Checkpoint", every=every)
        if every_steps is not None:
            check_count("Checkpoint", every_steps=every_steps)
        self.path, self.every, self.about = as_path("Checkpoint", path), every, about
        self.every_steps = every_steps
        self._due = False

    def on_start(self, state: State) -> None:
        if self.every_steps is not None:
            _check_knows_its_place(state.data)
        self._due = False
        self.save(state)

    def on_step_end(self, state: State, batches: int | None) -> None:
        if self.every_steps is None or state.step % self.every_steps:
            return
        if state.progress.steps == batches:
            self._due = True  # at the end of the epoch, with its row
        else:
            self.save(state)

    def on_epoch_end(self, state: State) -> None:
        last = state.epoch == state.epochs or state.stop is not None
        if self._due or last or state.epoch % self.every == 0:
            self.save(state)
        self._due = False

    def save(self, state: State) -> None:
        """Write the file now."""
        told = {} if self.about is None else {"about": dict(self.about)}
        saved = state.state_dict() | told
        if state.team is None or state.team.leads:
            checkpoint.save(saved, self.path)
        if state.team is not None:
            state.team.agree()  # the file is there before anybody goes on


def _check_knows_its_place(data: Any) -> None:
    if isinstance(data, BaseData):
        return
    if not (hasattr(data, "state_dict") and hasattr(data, "load_state_dict")):
        raise ValueError(
            f"Checkpoint: every_steps writes in the middle of an epoch, and a "
            f"{type(data).__name__} cannot tell which of its batches it has given; take a loader "
            "of gcl.loader, or one with state_dict and load_state_dict, or leave every_steps out."
        )
