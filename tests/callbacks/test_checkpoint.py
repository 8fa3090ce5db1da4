"""Checkpoint: when it writes, and what the file holds."""

from functools import partial

import pytest
import torch
from torch_geometric.loader import DataLoader

import gcl
from gcl.callbacks import Checkpoint, EarlyStopping
from gcl.training import Callback, warmup_cosine
from tests.callbacks.scripted import train
from tests.equal_files import equal_but_for_time


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


class Interrupts(Callback):
    last = True

    def __init__(self, step):
        self.step = step

    def on_step_end(self, state, batches):
        if state.step == self.step:
            raise KeyboardInterrupt


def trained(path, *, interrupt=None, resume=None, unnamed=False, every_steps=1, **options):
    """Three epochs of four batches, and what was left at the end."""
    data = gcl.datasets.load("karate")
    torch.manual_seed(0 if resume is None else 9)
    method = gcl.methods.grace(data, hidden=8, norm="batch")
    loader = gcl.loader.NeighborBatches(data, [3, 3], batch_size=9, seed=1 if resume is None else 2)
    optimizer = partial(torch.optim.Adam, lr=0.01)
    callbacks = [Checkpoint(path, every=5, every_steps=every_steps), Interrupts(interrupt)]
    return gcl.fit(
        method, Unnumbered(loader) if unnamed else loader, epochs=3, optimizer=optimizer,
        callbacks=callbacks, resume=resume, **options,
    )  # fmt: skip


class Unnumbered:
    """A loader that knows its place, but not how many batches it has."""

    def __init__(self, loader):
        self.loader = loader
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self):
        if self.loader.state_dict()["batch"] < len(self.loader):
            yield from self.loader


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scheduler": warmup_cosine(3, 12), "clip": 0.5},
        {"accumulate": 3},
        {"every_steps": 3},
    ],
    ids=["plain", "scheduler", "accumulate", "every 3"],
)
def test_goes_on_from_the_very_step(tmp_path, options):
    steps = 6 if "accumulate" in options else 12
    whole, part = tmp_path / "whole", tmp_path / "part"
    state = trained(whole, **options)
    assert state.step == steps
    expected, within = gcl.checkpoint.load(whole), 0
    for step in range(1, steps + 1):
        with pytest.raises(KeyboardInterrupt):
            trained(part, interrupt=step, **options)
        saved = gcl.checkpoint.load(part)
        within += bool(saved["progress"])
        # The last step of an epoch is written with its row, after the interrupt.
        written = range(0, step + 1, options.get("every_steps", 1))
        assert saved["step"] == max(m for m in written if m % (steps // 3) or m < step)
        again = trained(part, resume=part, **options)
        assert equal_but_for_time(gcl.checkpoint.load(part), expected)
        assert equal_but_for_time(again.history, state.history)
    assert within >= steps // 3


def test_an_epoch_of_unknown_length(tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    trained(whole, unnamed=True)
    for step in (1, 3, 6, 11):
        with pytest.raises(KeyboardInterrupt):
            trained(part, unnamed=True, interrupt=step)
        assert gcl.checkpoint.load(part)["step"] == step
        trained(part, unnamed=True, resume=part)
        assert equal_but_for_time(gcl.checkpoint.load(part), gcl.checkpoint.load(whole))


def test_one_graph_has_one_step_an_epoch(tmp_path):
    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=8)
    keep = Checkpoint(tmp_path / "c", every=100, every_steps=2)
    with pytest.raises(KeyboardInterrupt):
        gcl.fit(method, data, epochs=9, callbacks=[keep, Interrupts(6)])
    saved = gcl.checkpoint.load(tmp_path / "c")
    assert (saved["epoch"], saved["step"], saved["progress"]) == (4, 4, {})


def test_a_loader_that_does_not_know_its_place_is_refused(tmp_path):
    data = gcl.datasets.load("karate")
    loader = DataLoader([data, data], batch_size=1)
    keep = Checkpoint(tmp_path / "c", every_steps=1)
    with pytest.raises(ValueError, match="a DataLoader cannot tell which of its batches"):
        gcl.fit(gcl.methods.grace(data, hidden=8), loader, epochs=1, callbacks=[keep])
    assert not (tmp_path / "c").exists()
    with pytest.raises(ValueError, match="every_steps must be at least 1"):
        Checkpoint("c", every_steps=0)


def test_of_a_step_within_an_epoch_only_a_loader_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "c", interrupt=2)
    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=8, norm="batch")
    with pytest.raises(gcl.checkpoint.CheckpointError, match="in the middle of an epoch over"):
        gcl.fit(method, data, epochs=3, resume=tmp_path / "c")


def test_a_stop_within_an_epoch_waits_for_its_end(tmp_path):
    class Stop(Callback):
        def on_step_end(self, state, batches):
            state.stop = "enough"

    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=8)
    loader = gcl.loader.NeighborBatches(data, [3], batch_size=9)
    keep = Checkpoint(tmp_path / "c", every_steps=1)
    with pytest.raises(KeyboardInterrupt):
        gcl.fit(method, loader, epochs=3, callbacks=[Stop(), keep, Interrupts(2)])
    state = gcl.fit(method, loader, epochs=3, resume=tmp_path / "c", callbacks=[keep])
    assert (state.epoch, state.step, state.stop) == (1, 4, "enough")


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        ({"losses": [1.0], "lr": 0.1}, "no numbers for its losses, lr and seconds"),
        ({"losses": ["1"], "lr": 0.1, "seconds": 0.0}, "no numbers for its losses"),
        ({"losses": [1.0] * 9, "lr": 0.1, "seconds": 0.0}, "has 9 losses, of 2 steps at most"),
    ],
)
def test_progress_that_is_none(tmp_path, progress, message):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "c", interrupt=2)
    saved = gcl.checkpoint.load(tmp_path / "c")
    gcl.checkpoint.save(saved | {"progress": progress}, tmp_path / "c")
    with pytest.raises(gcl.checkpoint.CheckpointError, match=message):
        trained(tmp_path / "c", resume=tmp_path / "c")
