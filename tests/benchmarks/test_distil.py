"""Teacher and student on nodes without edges in one command, on a graph made on the spot."""

import runpy
from pathlib import Path

import pytest
import torch

import gcl
from gcl.experiments.results import read_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = runpy.run_path(str(BENCHMARKS / "distil.py"))
    path = tmp_path / "configs" / "dgi" / "sbm.toml"
    path.parent.mkdir(parents=True)
    path.write_text('recipe = "dgi"\ndataset = "gcl.datasets:sbm"\nhidden = 4\nepochs = 9\n')
    names["main"].__globals__.update(CONFIGS=tmp_path / "configs", SPLITS=2)
    return names


def test_table_and_file(script, tmp_path, capsys):
    out = tmp_path / "distil.csv"
    command = ["dgi/sbm", "--epochs", "2", "--student-epochs", "3", "--out", str(out)]
    script["main"]([*command, "--seeds", "1"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*script["ROWS"], "20%", "1 seeds"))
    first = read_rows(out)
    assert [row["representation"] for row in first] == list(script["ROWS"])
    assert all(0 <= float(row["accuracy"]) <= 1 for row in first)
    assert [bool(row["us_a_node"]) for row in first] == [False, True, False, True]
    assert "tested on" in first[0]["protocol"]
    script["main"]([*command, "--seeds", "2"])
    rows = read_rows(out)
    assert rows[:4] == first  # not run again
    assert [(row["representation"], row["seed"]) for row in rows[4:]] == [
        (name, "1") for name in script["ROWS"]
    ]


def test_nodes_taken_out_are_neither_learned_from_nor_linked(script):
    data = gcl.datasets.sbm(50, 2, num_features=3)
    new = script["taken_out"](50, 0.2, seed=3)
    assert int(new.sum()) == 10
    splits = script["splits_of"](new, seed=0)
    assert not bool((splits.train | splits.val)[:, new].any())
    assert all(torch.equal(test, new) for test in splits.test)
    cut = script["without_edges"](data, new)
    ends = set(cut.edge_index.flatten().tolist())
    assert not ends & set(new.nonzero().flatten().tolist())
    known = data.subgraph(~new)
    assert cut.num_edges == known.num_edges
    assert cut.num_nodes == 50
