"""GRACE with exact negatives beside meta-nodes in one command, on a graph that needs no files."""

import runpy
from pathlib import Path

import pytest

from gcl.experiments.results import read_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "meta_node_training.py"))


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "karate.toml"
    path.write_text(
        'recipe = "grace"\ndataset = "karate"\nprotocol = "random-10-10-80"\nhidden = 4\nproj = 4\n'
        "epochs = 9\n\n[reported]\naccuracy = 0.5\n"
    )
    return path


def test_table_and_file(script, config, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    command = [str(config), "--epochs", "2", "--clusters", "3", "34", "--out", str(out)]
    script["main"]([*command, "--seeds", "1"])
    shown = capsys.readouterr().out
    assert "random-10-10-80, 2 epochs" in shown
    assert all(head in shown for head in ("against exact", "peak MB", "34 meta-nodes"))
    first = read_rows(out)
    assert [row["variant"] for row in first] == ["exact", "3 meta-nodes", "34 meta-nodes"]
    assert len({row["options"] for row in first}) == 3
    # With a cluster a node the sums are exact, so training is the same up to rounding.
    assert float(first[0]["cluster_nmi"]) == pytest.approx(float(first[2]["cluster_nmi"]))
    script["main"]([*command, "--seeds", "2"])
    assert read_rows(out)[:3] == first  # not run again


def test_other_recipes_are_refused(script, tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text('recipe = "gca"\ndataset = "cora"\n')
    with pytest.raises(SystemExit):
        script["main"]([str(path)])
    assert "no configuration of grace" in capsys.readouterr().err
