"""A signal in a training: the epoch is ended and saved, and no other is begun."""

import os
import signal

import pytest
import torch

import gcl
from gcl import checkpoint
from gcl.callbacks import Checkpoint
from gcl.experiments import interrupts
from gcl.experiments.leave import Leave
from gcl.training.state import Callback


class Signal(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_step_end(self, state, batches):
        if state.epoch + 1 == self.epoch:
            os.kill(os.getpid(), signal.SIGTERM)


def test_it_goes_on_as_if_nothing_had_been(tmp_path):
    data, path = gcl.datasets.load("karate"), tmp_path / "c.safetensors"

    def train(epochs, *callbacks, **options):
        torch.manual_seed(0)
        method = gcl.methods.grace(data, hidden=4, proj=4)
        state = gcl.fit(method, data, epochs=epochs, callbacks=callbacks, **options)
        return [row["loss"] for row in state.history]

    whole = train(25)
    keeping = Checkpoint(path, every=10)
    with interrupts.handled(), pytest.raises(interrupts.Interrupt):
        train(25, Signal(13), Leave(keeping), keeping)
    assert checkpoint.load(path)["epoch"] == 13
    assert train(25, Checkpoint(path), resume=path) == whole
    assert not interrupts.asked_to_leave()


def test_an_error_ends_the_waiting(tmp_path):
    data = gcl.datasets.load("karate")

    class Breaks(Callback):
        def on_epoch_end(self, state):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gcl.fit(gcl.methods.dgi(data, hidden=4), data, epochs=2, callbacks=[Leave(None), Breaks()])
    with pytest.raises(interrupts.Interrupt), interrupts.handled():
        os.kill(os.getpid(), signal.SIGTERM)  # at once again
