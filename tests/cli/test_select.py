"""`gcl select`."""

import json
import shlex

import pytest

from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.criteria import DEFAULT

GRID = """
[[try]]
recipe = "dgi"
hidden = 8
[try.grid]
epochs = [0, 2]

[[try]]
recipe = "grace+macl"
hidden = 8
epochs = 1
[try.grid]
"macl.alpha" = [0.1]
"""


@pytest.fixture
def grid(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    return str(tmp_path / "grid.toml")


def test_a_table_the_choice_and_its_regret(grid, tmp_path, capsys):
    out = str(tmp_path / "rows.csv")
    command = ["select", "karate", grid, "--out", out, "--also", "edge_auc"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert f"settings of karate by {DEFAULT}, the best first" in told
    assert "3 of 3, means over 2 training seeds" in told
    assert "macl.alpha=0.1" in told
    chosen, regret = told.splitlines()[-2:]
    assert chosen.startswith("chosen: gcl train ")
    assert "a regret of " in regret
    assert "(random-10-10-80)" in regret
    kept = results.read_rows(tmp_path / "rows.csv")
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert results.read_rows(tmp_path / "rows.csv") == kept
    assert found["command"] == chosen.removeprefix("chosen: ")
    assert {"modularity_several", "cluster_stability", "edge_auc"} == set(
        found["settings"][0]["scores"]
    )
    assert f"{100 * found['regret']:.1f}" in regret
    assert main(["train", *shlex.split(found["command"])[2:], "--json"]) == 0


def test_trials(grid, tmp_path, capsys):
    pytest.importorskip("optuna")
    command = ["select", "karate", grid, "--out", str(tmp_path / "rows.csv"), "--trials", "2"]
    assert main([*command, "--json"]) == 0
    assert 1 <= len(json.loads(capsys.readouterr().out)["settings"]) <= 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: dataset, grid"),
        (["karate", "absent.toml"], "Cannot read absent.toml"),
        (["karate", "GRID", "--criterion", "bad"], "unknown criterion 'bad'"),
        (["karate", "GRID", "--jobs", "0"], "jobs must be"),
        (["nowhere", "GRID"], "unknown data set 'nowhere'"),
        (["karate", "GRID", "--protocol", "public"], "train_mask"),
        (["karate", "GRID", "--criterion", "val_accuracy", "--protocol", "e1"], "no validation"),
    ],
)
def test_bad_input(arguments, sentence, grid, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["select", *(grid if a == "GRID" else a for a in arguments)]) == 2
    assert sentence in capsys.readouterr().err


def test_what_failed_is_told_at_the_end(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '[[try]]\nrecipe = "dgi"\nhidden = 8\nepochs = 30\noptimizer = "SGD"\n'
    (tmp_path / "grid.toml").write_text(f"{text}[try.grid]\nlr = [1e-3, 1e30]\n")
    assert main(["select", "karate", "grid.toml"]) == 2
    told = capsys.readouterr()
    assert "chosen: gcl train dgi karate" in told.out
    assert "1 trainings failed: dgi/karate" in told.err


def test_it_is_listed(capsys):
    assert main(["--help"]) == 0
    assert "gcl select DATASET GRID.toml" in capsys.readouterr().out
    assert main(["select", "--help"]) == 0


CHANGING = """
import os
import gcl

def graph():
    return gcl.datasets.sbm(60, 2, num_features=4, seed=int(os.environ["WHICH"]))
"""


@pytest.mark.parametrize("trials", [[], ["--trials", "1"]])
def test_another_graph_of_the_same_name_is_trained(trials, tmp_path, capsys, monkeypatch):
    if trials:
        pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "changing.py").write_text(CHANGING)
    (tmp_path / "grid.toml").write_text('[[try]]\nrecipe = "dgi"\nhidden = 8\nepochs = 1\n')
    command = ["select", "changing.py:graph", "grid.toml", "--criterion", "modularity", *trials]
    found = []
    for which in ("0", "1", "0"):
        monkeypatch.setenv("WHICH", which)
        assert main([*command, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["settings"])
    assert found[0] == found[2] != found[1]
    assert len(results.read_rows(tmp_path / "selection.csv")) == 2
