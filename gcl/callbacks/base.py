"""What may happen between epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
