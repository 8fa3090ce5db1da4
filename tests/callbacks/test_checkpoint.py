"""Checkpoint: when it writes, and what the file holds."""

import pytest

import gcl
from gcl.callbacks import Checkpoint, EarlyStopping
from tests.callbacks.scripted import train


def test_checkpoint_comes_last_and_at_the_end(tmp_path):
    path = tmp_path / "c"
    _, state = train([3.0, 4.0, 4.0, 4.0], [Checkpoint(path, every=100), EarlyStopping(patience=2)])
    saved = gcl.checkpoint.load(path)
    assert saved["epoch"] == state.epoch == 3
    assert saved["stop"] == state.stop
    stopping = dict(map(tuple, saved["callbacks"]))["EarlyStopping"]
    assert (stopping["best"], stopping["waited"]) == (3.0, 2)


def test_every_is_a_number_of_epochs():
    with pytest.raises(ValueError, match="every must be at least 1"):
        Checkpoint("c", every=0)
