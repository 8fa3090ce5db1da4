"""The script that trains forms for the same CPU seconds, at a size for tests."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from gcl.experiments.results import read_rows

FOLDER = Path(__file__).parents[2] / "benchmarks" / "scale"
CONFIG = 'recipe = "bgrl"\ndataset = "karate"\nhidden = 8\nepochs = 20\nwarmup = 2\n'


@pytest.fixture
def main(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    threads = torch.get_num_threads()
    yield runpy.run_path(str(FOLDER / "accuracy.py"))["main"]
    torch.set_num_threads(threads)
    sys.modules.pop("feeds", None)


def test_each_form_is_probed_after_each_quarter(main, tmp_path, capsys):
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    out = tmp_path / "out.csv"
    told = [
        str(config), "--budget", "0.05", "--seeds", "1", "--batch-size", "12", "--hidden", "4",
        "--form", "full", "random-parts", "--out", str(out),
        "--work", str(tmp_path / "work"),
    ]  # fmt: skip
    main(told)
    rows = read_rows(out)
    assert [row["form"] for row in rows] == ["full", "random-parts"]
    for row in rows:
        batches = 1 if row["form"] == "full" else 3
        assert int(row["steps"]) == batches * int(row["epochs"]) >= 4
        assert all(0 <= float(row[f"{part}accuracy_{q}"]) <= 100
                   for q in range(1, 5) for part in ("", "val_"))  # fmt: skip
        assert row["hidden"] == "4"
    main(told)
    assert read_rows(out) == rows
    capsys.readouterr()
    main(["--table", "--out", str(out)])
    assert "random-parts" in capsys.readouterr().out
