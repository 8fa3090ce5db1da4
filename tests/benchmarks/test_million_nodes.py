"""The training of a million nodes, at a size for tests, and going on with it."""

import csv
import runpy
from pathlib import Path

import pytest

MAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "million_nodes.py"))["main"]
SMALL = ["--nodes", "300", "--degree", "6", "--hidden", "8", "--clusters", "5", "--classes", "3"]


def losses(folder):
    with (folder / "log.csv").open() as file:
        return [row["loss"] for row in csv.DictReader(file)]


def test_trains_goes_on_and_reports(tmp_path, capsys):
    whole, part = tmp_path / "whole", tmp_path / "part"
    MAIN([*SMALL, "--epochs", "3", "--out", str(whole)])
    shown = capsys.readouterr().out
    assert "300 nodes" in shown
    assert all(name in shown for name in ("graph: ", "training to epoch 3: ", "peak memory"))
    assert all(f"{name}: accuracy" in shown for name in ("raw features", "embedding"))
    MAIN([*SMALL, "--epochs", "1", "--out", str(part)])
    assert len(losses(part)) == 1
    MAIN([*SMALL, "--epochs", "3", "--out", str(part), "--resume"])
    assert losses(part) == losses(whole)


def test_nothing_is_overwritten_or_made_up(tmp_path, capsys):
    with pytest.raises(SystemExit):
        MAIN([*SMALL, "--out", str(tmp_path), "--resume"])
    assert "nothing to go on from" in capsys.readouterr().err
    (tmp_path / "checkpoint.safetensors").touch()
    with pytest.raises(SystemExit):
        MAIN([*SMALL, "--out", str(tmp_path)])
    assert "go on with --resume" in capsys.readouterr().err
