"""The ablation of CSGCL in one command, on a graph that needs no files."""

import runpy
from pathlib import Path

import pytest

from gcl.experiments.results import read_rows

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "ablation.py"))
VARIANTS = ["csgcl", "no CED", "no CAV", "no Team-up", "grace"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "karate.toml"
    path.write_text(
        'recipe = "csgcl"\ndataset = "karate"\nprotocol = "public"\nhidden = 4\nproj = 4\nt0 = 1\n'
        "drop_edge = [0.2, 0.4]\nepochs = 9\nlr = 0.01\n\n[reported]\naccuracy = 0.5\n"
    )
    return path


def test_one_part_is_left_out_at_a_time(config):
    runs = SCRIPT["variants"](SCRIPT["read_run"](config))
    assert list(runs) == VARIANTS
    whole = runs["csgcl"].method
    assert whole.items() >= {"hidden": 4, "proj": 4, "drop_edge": (0.2, 0.4), "t0": 1}.items()
    assert runs["grace"].method.items() <= whole.items()
    parts = ["communal_edges", "communal_features", "team_up"]
    for name, part in zip(VARIANTS[1:4], parts, strict=True):
        assert runs[name].method == {**whole, part: False}
    assert {run.epochs for run in runs.values()} == {9}


def test_table_and_file(config, tmp_path, capsys):
    out = tmp_path / "ablation.csv"
    command = [str(config), "--epochs", "2", "--protocol", "random-10-10-80", "--out", str(out)]
    SCRIPT["main"]([*command, "--seeds", "1"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in VARIANTS)
    assert "random-10-10-80, 2 epochs, training seeds: 1" in shown
    first = read_rows(out)
    assert [row["variant"] for row in first] == VARIANTS
    SCRIPT["main"]([*command, "--seeds", "2"])
    rows = read_rows(out)
    assert rows[:5] == first  # not run again
    assert [(row["variant"], row["seed"]) for row in rows[5:]] == [(n, "1") for n in VARIANTS]


def test_other_configurations_are_refused(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('recipe = "grace"\ndataset = "cora"\n')
    with pytest.raises(ValueError, match="no configuration of csgcl"):
        SCRIPT["read_run"](path)
