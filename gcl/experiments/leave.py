"""A training that ends when it is asked to, with nothing lost."""

from __future__ import annotations

from gcl.callbacks import Checkpoint
from gcl.experiments import interrupts
from gcl.training.state import Callback, State


class Leave(Callback):
    """From the first epoch on, a signal saves and ends the training after the epoch it came in.

    What goes before, such as pre-training, ends at once: nothing of it could be saved. Of several
    processes all save where one was told to leave.

    Args:
        checkpoint: what saves; nothing is saved if None.

    Raises:
        Interrupt: from `on_epoch_end`, once it is saved.
    """

    last = True
    every_rank = True

    def __init__(self, checkpoint: Checkpoint | None):
        self.checkpoint = checkpoint
        self._deferring = False

    def on_start(self, state: State) -> None:
        interrupts.defer()
        self._deferring = True

    def on_epoch_end(self, state: State) -> None:
        asked = interrupts.asked_to_leave()
        if state.team is not None:
            asked = any(state.team.gathered(asked))
        if asked:
            if self.checkpoint is not None:
                self.checkpoint.save(state)
            interrupts.leave()

    def on_end(self, state: State) -> None:
        if self._deferring:
            interrupts.defer(-1)
            self._deferring = False
