"""The script that compares forms of training, at a size for tests."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from gcl.experiments.results import read_rows

FOLDER = Path(__file__).parents[2] / "benchmarks" / "scale"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield runpy.run_path(str(FOLDER / "forms.py"))
    sys.modules.pop("feeds", None)


def told(folder, *further):
    return [
        "--nodes", "600", "--epochs", "2", "--batch-size", "200", "--hidden", "8",
        "--out", str(folder / "forms.csv"), "--work", str(folder / "work"), *further,
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["full", "meta-nodes", "neighbors", "random-parts", "propagated"])
def test_a_form_writes_its_row(script, form, tmp_path):
    threads = torch.get_num_threads()
    script["main"](told(tmp_path, "--form", form, "--one"))
    torch.set_num_threads(threads)
    (row,) = read_rows(tmp_path / "forms.csv")
    batches = {"full": 1, "meta-nodes": 1}.get(form, 3)
    assert (row["form"], row["nodes"], int(row["batches"])) == (form, "600", batches)
    assert 0 < float(row["accuracy"]) <= 100
    assert float(row["propagated_accuracy"]) > 30
    assert 50 < float(row["anonymous_mb"]) == float(row["all_mb"])
    assert float(row["cpu_s"]) > 0


def test_rows_that_are_there_are_left_alone(script, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(
        script["every"].__globals__["subprocess"], "run", lambda c, **_: started.append(c)
    )
    script["main"](told(tmp_path, "--form", "full", "neighbors"))
    assert len(started) == 3  # the whole graph is not shared out
    assert [command.count("torch.distributed.run") for command in started] == [0, 0, 1]
    threads = torch.get_num_threads()
    script["main"](told(tmp_path, "--form", "full", "--one"))
    torch.set_num_threads(threads)
    started.clear()
    script["main"](told(tmp_path, "--form", "full", "neighbors"))
    assert len(started) == 2
    script["main"](told(tmp_path, "--plot", str(tmp_path / "plot.png")))
    assert (tmp_path / "plot.png").stat().st_size > 10_000
