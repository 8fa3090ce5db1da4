"""Callbacks against hand-made loss sequences."""

import csv
import math

import pytest
import torch
from rich.console import Console
from torch import nn

import gcl
from gcl.callbacks import (
    Checkpoint,
    CSVLog,
    EarlyStopping,
    Evaluate,
    MonitorWeights,
    ProgressBar,
)


class Scripted(gcl.Method):
    """Its loss is what the script says; its only weight counts the steps."""

    def __init__(self, losses):
        super().__init__()
        self.losses, self.step = losses, 0
        self.w = nn.Parameter(torch.tensor(0.0))

    def loss(self, data):
        value = self.losses[self.step]
        self.step += 1
        return value + self.w - self.w.detach()  # the value is exact, the gradient is 1

    def embed(self, data):
        return data.x + self.w


def train(losses, callbacks, epochs=None):
    method = Scripted(losses)
    state = gcl.fit(
        method,
        gcl.datasets.karate(),
        epochs=len(losses) if epochs is None else epochs,
        optimizer=lambda p: torch.optim.SGD(p, lr=1.0),
        callbacks=callbacks,
    )
    return method, state


def test_early_stopping_waits_and_puts_the_best_weights_back():
    method, state = train([5.0, 3.0, 4.0, 3.5, 3.0, 1.0], [EarlyStopping(patience=3)])
    assert state.epoch == 5
    assert "not improved on 3 (epoch 2) for 3 epochs" in state.stop
    assert method.w.item() == -2  # the weights after epoch 2

    method, state = train([5.0, 3.0, 4.0], [EarlyStopping(patience=3, restore_best=False)])
    assert (state.epoch, state.stop, method.w.item()) == (3, None, -3)


def test_early_stopping_on_an_evaluated_value_counts_observed_epochs_only():
    scores = iter([0.5, 0.7, 0.6, 0.6])
    watch = Evaluate(lambda z, data: {"val": next(scores)}, every=2)
    stop = EarlyStopping("val", patience=2, mode="max")
    _, state = train([1.0] * 10, [watch, stop])
    assert state.epoch == 8
    assert [r["val"] for r in state.history if "val" in r] == [0.5, 0.7, 0.6, 0.6]


def test_early_stopping_on_a_value_that_never_comes_warns():
    with pytest.warns(UserWarning, match="no epoch had a value 'val_acuracy'"):
        train([1.0, 1.0], [EarlyStopping("val_acuracy")])


def test_evaluate_sees_embeddings_in_evaluation_mode_and_the_last_epoch():
    seen = []

    def look(z, data):
        seen.append(float((z - data.x).mean()))
        return {"shift": seen[-1]}

    _, state = train([1.0] * 5, [Evaluate(look, every=2, prefix="a_")])
    assert seen == pytest.approx([-2, -4, -5])
    assert state.history[-1]["a_shift"] == pytest.approx(-5)


def test_csv_log_has_a_line_an_epoch_and_every_column(tmp_path):
    watch = Evaluate(lambda z, data: {"score": 0.25}, every=3)
    train([4.0, 3.0, 2.0, 1.0], [watch, CSVLog(tmp_path / "a" / "log.csv", every=1)])
    with open(tmp_path / "a" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["loss"]) for r in rows] == [4, 3, 2, 1]
    assert [r["epoch"] for r in rows] == ["1", "2", "3", "4"]
    assert [r["score"] for r in rows] == ["", "", "0.25", "0.25"]


def test_checkpoint_comes_last_and_at_the_end(tmp_path):
    path = tmp_path / "c"
    _, state = train([3.0, 4.0, 4.0, 4.0], [Checkpoint(path, every=100), EarlyStopping(patience=2)])
    saved = gcl.checkpoint.load(path)
    assert saved["epoch"] == state.epoch == 3
    assert saved["stop"] == state.stop
    stopping = dict(map(tuple, saved["callbacks"]))["EarlyStopping"]
    assert (stopping["best"], stopping["waited"]) == (3.0, 2)


def test_a_stopped_run_stays_stopped_when_resumed(tmp_path):
    path, losses = tmp_path / "c", [3.0, 4.0, 4.0, 4.0]
    callbacks = [EarlyStopping(patience=2), Checkpoint(path)]
    first, _ = train(losses, callbacks)
    again = Scripted(losses)
    state = gcl.fit(
        again,
        gcl.datasets.karate(),
        epochs=4,
        optimizer=lambda p: torch.optim.SGD(p, lr=1.0),
        callbacks=[EarlyStopping(patience=2), Checkpoint(path)],
        resume=path,
    )
    assert state.epoch == 3
    assert again.w.item() == first.w.item() == -1


def test_progress_bar_shows_the_loss_and_ends_with_errors_too():
    console = Console(force_terminal=True, width=90, record=True)
    bar = ProgressBar("karate", console=console)
    with pytest.raises(gcl.training.NonFiniteLossError):
        train([1.0, 0.25, math.nan], [bar])
    assert bar._bar.finished is False
    assert not bar._bar.live.is_started
    quiet = Console(file=open("/dev/null", "w"))  # noqa: SIM115
    train([1.0], [ProgressBar(console=quiet)])
    quiet.file.close()


def test_the_bar_moves_within_an_epoch():
    data, places = gcl.datasets.load("karate"), []

    class Watched(ProgressBar):
        def on_step_end(self, state, batches):
            super().on_step_end(state, batches)
            places.append(self._bar.tasks[0].completed)

    method = Scripted([1.0] * 8)
    with open("/dev/null", "w") as nowhere:
        bar = Watched(console=Console(file=nowhere))
        gcl.fit(method, [data] * 4, epochs=2, callbacks=[bar])
    assert places == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=0), "patience must be at least 1"),
        (lambda: EarlyStopping(mode="lowest"), "one of 'min', 'max'"),
        (lambda: Checkpoint("c", every=0), "every must be at least 1"),
        (lambda: CSVLog("c", every=0), "every must be at least 1"),
        (lambda: Evaluate(lambda z, d: {}, every=0), "every must be at least 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unwritable_folder_shows_before_training(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    method = Scripted([1.0])
    with pytest.raises(OSError, match="file"):
        gcl.fit(method, gcl.datasets.karate(), epochs=1, callbacks=[CSVLog(blocked / "log.csv")])
    assert method.step == 0


def test_learnt_weights_are_watched_without_touching_training():
    data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)

    def losses(*callbacks):
        torch.manual_seed(0)
        method = gcl.methods.adameow(
            data,
            paths=gcl.transforms.AddMetaPaths([["paper", "author", "paper"]]),
            hidden=8,
            proj=8,
            weights="none",
        )
        return gcl.fit(method, data, epochs=4, lr=0.02, callbacks=callbacks).history

    watched = losses(MonitorWeights(every=3))
    assert [r["loss"] for r in watched] == [r["loss"] for r in losses()]
    assert ["weight_mean" in r for r in watched] == [False, False, True, True]
    assert watched[3]["weight_mean"] < watched[2]["weight_mean"] < 1
    karate = gcl.datasets.load("karate")
    grace = gcl.methods.grace(karate, hidden=8)
    with pytest.raises(ValueError, match="no learnt weights"):
        gcl.fit(grace, karate, epochs=1, callbacks=[MonitorWeights()])
    with pytest.raises(ValueError, match="every must be at least 1"):
        MonitorWeights(every=0)
