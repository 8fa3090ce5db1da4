"""The choice of settings by validation nodes, on a graph of a size for tests."""

import importlib
from pathlib import Path

import pytest

from gcl.experiments import results

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recipe", ["gbt", "grace"])
def test_every_setting_is_tried_and_no_test_node_told(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    script = importlib.import_module("select_settings")
    grid = {"hidden": (4,), "lr": (1e-3, 1e-2)}
    monkeypatch.setitem(
        script.GRIDS, f"{recipe}/karate", ("random-10-10-80", (1, 2), recipe == "gbt", grid)
    )
    script.main(f"{recipe}/karate", tmp_path / "out.csv")
    rows = results.read_rows(tmp_path / "out.csv")
    assert {(row["lr"], row["epochs"]) for row in rows} == {
        (lr, epochs) for lr in ("0.001", "0.01") for epochs in ("1", "2")
    }
    assert not any(key in rows[0] for key in ("accuracy", "macro_f1"))
    best = max(float(row["val_accuracy"]) for row in rows)
    assert f"'val_accuracy': {best}" in capsys.readouterr().out.splitlines()[-1]
