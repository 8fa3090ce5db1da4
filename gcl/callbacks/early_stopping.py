"""Stop when nothing improves any more."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any, Literal

from torch import Tensor

from gcl.checkpoint import MISFIT, CheckpointError
from gcl.checks import check_choice, check_count, shown
from gcl.training.state import Callback, State


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
        if not isinstance(monitor, str):
            raise TypeError(
                f"EarlyStopping: monitor must be the name of a column of the history, such as "
                f"'loss', got {shown(monitor)}."
            )
        check_count("EarlyStopping", patience=patience)
        check_choice("EarlyStopping", "mode", mode, ("min", "max"))
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.restore_best = restore_best
        self.best, self.best_epoch, self.waited = math.nan, 0, 0
        self.best_weights: dict[str, Tensor] | None = None
        self._from_file = False

    def on_start(self, state: State) -> None:
        if self._from_file and self.best_weights is not None:
            # Tried now: at the end of the training it is too late to learn that they do not fit.
            own = copy.deepcopy(state.method.state_dict())
            try:
                state.method.load_state_dict(self.best_weights)
            except MISFIT as error:
                raise CheckpointError(
                    "The best weights of EarlyStopping in the checkpoint do not fit this method: "
                    f"{' '.join(str(error).split()):.300}."
                ) from None
            finally:
                state.method.load_state_dict(own)
        self._from_file = False

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
        # By name: a file must not decide which attributes there are.
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self.waited, self.best_weights = int(state["waited"]), state["best_weights"]
        self._from_file = True
