"""Log: rows for trackers."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import gcl
from gcl.callbacks import Checkpoint, Evaluate, Log
from tests.callbacks.scripted import Scripted, train

PAGE = Path(__file__).parents[2] / "docs" / "logging.md"


class Rows(list):
    """A writer that keeps what it gets."""

    def __call__(self, row, step):
        self.append((step, row))


def test_every_epoch_with_what_others_measured():
    rows = Rows()
    watch = Evaluate(lambda z, data: {"score": 0.25}, every=2)
    _, state = train([4.0, 3.0, 2.0], [Log(rows), watch])
    assert [step for step, _ in rows] == [1, 2, 3]
    assert [row["loss"] for _, row in rows] == [4, 3, 2]
    assert [row.get("score") for _, row in rows] == [None, 0.25, 0.25]
    for (step, row), known in zip(rows, state.history, strict=True):
        assert {**row, "step": step} == known


def test_some_epochs_and_the_last():
    rows = Rows()
    train([float(i) for i in range(7)], [Log(rows, every=3)])
    assert [step for step, _ in rows] == [3, 6, 7]


def test_steps_within_epochs():
    rows, data = Rows(), gcl.datasets.karate()
    losses = [5.0, 4.0, 3.0, 2.0, 1.0, 0.5]
    gcl.fit(Scripted(losses), [data] * 3, epochs=2, lr=0.25, callbacks=[Log(rows, every_steps=2)])
    told = [(step, row["step_loss"], row["lr"]) for step, row in rows if "step_loss" in row]
    assert told == [(2, 4.0, 0.25), (4, 2.0, 0.25), (6, 0.5, 0.25)]
    epochs = [(step, row["loss"]) for step, row in rows if "loss" in row]
    assert epochs == [(3, 4.0), (6, pytest.approx(3.5 / 3))]


def test_the_row_is_the_writers_own():
    def spoil(row, step):
        row.clear()

    _, state = train([2.0, 1.0], [Log(spoil)])
    assert [row["loss"] for row in state.history] == [2, 1]


def test_a_writer_that_fails_ends_no_training():
    rows = Rows()

    def sometimes(row, step):
        if step in (2, 3):
            raise ConnectionError("no\nroute")
        rows(row, step)

    with pytest.warns(UserWarning, match="Log: ") as told:
        _, state = train([4.0, 3.0, 2.0, 1.0], [Log(sometimes)])
    assert state.finished
    assert [step for step, _ in rows] == [1, 4]
    first, last = (str(warning.message) for warning in told)
    assert first.startswith("Log: the writer failed at step 2 (ConnectionError: no route);")
    assert last.startswith("Log: 2 of 4 rows were not written")


def test_an_interrupt_passes_and_what_was_written_stays():
    rows = Rows()

    def stop(row, step):
        if step == 3:
            raise KeyboardInterrupt
        rows(row, step)

    with pytest.raises(KeyboardInterrupt):
        train([4.0, 3.0, 2.0, 1.0], [Log(stop)])
    assert [step for step, _ in rows] == [1, 2]


def test_an_error_elsewhere_leaves_no_epoch_out():
    rows = Rows()

    def fail(z, data):
        raise RuntimeError("elsewhere")

    with pytest.raises(RuntimeError, match="elsewhere"):
        train([4.0, 3.0, 2.0], [Log(rows), Evaluate(fail, every=2)])
    assert [step for step, _ in rows] == [1, 2]


def test_resuming_goes_on_with_the_next_epoch(tmp_path):
    rows, data = Rows(), gcl.datasets.karate()
    for epochs in (2, 4):
        method = gcl.methods.grace(data, hidden=4, proj=4)
        path = tmp_path / "state"
        gcl.fit(
            method,
            data,
            epochs=epochs,
            callbacks=[Checkpoint(path), Log(rows)],
            resume=path if path.exists() else None,
        )
    assert [step for step, _ in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("writer", "match"),
    [
        (None, r"writer must be a function \(row, step\), got None"),
        (SimpleNamespace(), "give the method that writes, such as run.log"),
        (print.__class__, "got"),
        (lambda row: None, r"it takes \(row\); wrap it: lambda row, step"),
    ],
)
def test_bad_writers_show_before_training(writer, match):
    with pytest.raises(TypeError, match=match):
        Log(writer)


def test_bad_numbers_show_before_training():
    with pytest.raises(ValueError, match="every must be at least 1"):
        Log(Rows(), every=0)
    with pytest.raises(ValueError, match="every_steps must be at least 1"):
        Log(Rows(), every_steps=0)


def block(name):
    """The block of the page that imports a package."""
    blocks = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [code for code in blocks if f"import {name}" in code]
    return found


def names():
    data = gcl.datasets.load("karate")
    options = {"hidden": 8, "proj": 8}
    return {"gcl": gcl, "data": data, "options": options} | {
        "method": gcl.methods.grace(data, **options)
    }


def test_the_block_for_wandb(monkeypatch):
    """On a stand-in with the signatures of wandb, which is large."""
    rows, seen = Rows(), {}

    class Run:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen["finished"] = True

        def log(self, data, step=None, commit=None):
            rows(data, step)

    monkeypatch.setitem(
        sys.modules, "wandb", SimpleNamespace(init=lambda **about: seen.update(about) or Run())
    )
    exec(block("wandb"), names())
    assert seen["config"]["hidden"] == 8
    assert seen["finished"]
    assert [step for step, _ in rows] == list(range(1, 21))


def test_the_block_for_mlflow(monkeypatch):
    """On a stand-in with the signatures of mlflow, which is large."""
    rows, seen = Rows(), {}

    class Run:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen["finished"] = True

    def log_metrics(metrics, step=None, synchronous=None, run_id=None):
        rows(metrics, step)

    monkeypatch.setitem(
        sys.modules,
        "mlflow",
        SimpleNamespace(start_run=Run, log_params=seen.update, log_metrics=log_metrics),
    )
    exec(block("mlflow"), names())
    assert seen == {"hidden": 8, "proj": 8, "finished": True}
    assert [step for step, _ in rows] == list(range(1, 21))


def test_tensorboard_reads_what_was_written(tmp_path):
    """By TensorBoard's own reader."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as board:

        def write(row, step):
            for name, value in row.items():
                board.add_scalar(name, value, step)

        train([4.0, 3.0, 2.0], [Log(write)])
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(1, 4), (2, 3), (3, 2)]
