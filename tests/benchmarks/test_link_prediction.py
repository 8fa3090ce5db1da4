"""The comparison on hidden links in one command, on a graph made on the spot."""

import runpy
from pathlib import Path

import pytest

from gcl.experiments.config import read_config
from gcl.experiments.results import read_rows

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "link_prediction.py"))


@pytest.fixture
def configs(tmp_path):
    for recipe in ("grace", "csgcl"):
        (tmp_path / recipe).mkdir()
        (tmp_path / recipe / "karate.toml").write_text(
            f'recipe = "{recipe}"\ndataset = "gcl.datasets:sbm"\nhidden = 4\nproj = 4\nepochs = 9\n'
            "\n[reported]\naccuracy = 0.5\n"
        )
    (tmp_path / "bad.toml").write_text('recipe = "grace"\n')
    return tmp_path


def test_table_and_file(configs, capsys, monkeypatch):
    monkeypatch.setitem(SCRIPT["main"].__globals__, "CONFIGS", configs)
    out = configs / "links.csv"
    command = ["grace/karate", "csgcl/karate", "--epochs", "2", "--out", str(out)]
    SCRIPT["main"]([*command, "--seeds", "1"])
    names = ["raw features", "propagated", "grace/karate untrained", "grace/karate"]
    names += ["csgcl/karate untrained", "csgcl/karate"]
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*names, "AUC", "MRR", "1 seeds"))
    first = read_rows(out)
    assert [row["method"] for row in first] == names
    assert len({row["protocol"].split(":")[1].split(",")[0] for row in first}) == 1  # one split
    assert all(0 <= float(row["auc"]) <= 1 for row in first)
    SCRIPT["main"]([*command, "--seeds", "2"])
    rows = read_rows(out)
    assert rows[:6] == first  # not run again
    assert [(row["method"], row["seed"]) for row in rows[6:]] == [(n, "1") for n in names]


def test_one_data_set_at_a_time(configs, monkeypatch, capsys):
    monkeypatch.setitem(SCRIPT["main"].__globals__, "CONFIGS", configs)
    text = (configs / "grace" / "karate.toml").read_text()
    (configs / "other.toml").write_text(text.replace("gcl.datasets:sbm", "digits"))
    with pytest.raises(SystemExit):
        SCRIPT["main"](["grace/karate", "other"])
    assert "one data set" in capsys.readouterr().err


def test_incomplete_configuration(configs):
    with pytest.raises(ValueError, match="lacks the key 'dataset'"):
        read_config(configs / "bad.toml")
