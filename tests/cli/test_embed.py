"""`gcl embed`: a kept method on the same graph, a larger one, another, and on what does not fit."""

import json

import numpy as np
import pandas
import pytest
import torch

import gcl
from gcl.cli import main

GRAPHS = """
import torch
import gcl

def same():
    return gcl.datasets.load("karate")

def grown():
    data = same()
    new = torch.arange(34, 44)
    data.x = torch.cat([data.x, data.x[:10]])
    data.edge_index = torch.cat([data.edge_index, torch.stack([new - 34, new]),
                                 torch.stack([new, new - 34])], 1)
    del data.y
    data.ids = [f"member {i}" for i in range(44)]
    return data

def other():
    return gcl.datasets.sbm(30, 2, num_features=5)
"""


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


@pytest.fixture
def graphs(tmp_path, monkeypatch):
    import sys

    (tmp_path / "grown_graphs.py").write_text(GRAPHS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "grown_graphs"
    sys.modules.pop("grown_graphs", None)


@pytest.fixture
def kept(graphs, data):
    method = gcl.methods.dgi(data, hidden=8)
    gcl.fit(method, data, epochs=2)
    return method, str(gcl.save(method, "kept"))


def told(capsys):
    return capsys.readouterr().err.strip().splitlines()


def test_what_gcl_train_has_kept(graphs, capsys):
    for name, options in (("grace+macl", ("--hidden", "8")), ("pamc", ("--dim", "4"))):
        few = ("--epochs", "2", "--out", name, "--seeds", "2", "--no_cluster", *options)
        assert main(["train", name, "karate", *few]) == 0
        for seed in (0, 1):
            home = f"{name}/seed-{seed}"
            assert main(["embed", f"{home}/model", "karate", "--out", f"{name}.npz"]) == 0
            with np.load(f"{name}.npz") as found:
                assert np.array_equal(found["z"], np.load(f"{home}/embedding.npy"))
                assert found["ids"].tolist() == list(range(34))


def test_a_recipe_of_ones_own_is_kept_and_needs_trust(graphs, tmp_path, capsys):
    code = "import gcl\ndef mine(data, *, hidden: int = 4): return gcl.methods.dgi(data, hidden=4)"
    (tmp_path / "own_recipe_kept.py").write_text(code)
    assert main(["train", "own_recipe_kept:mine", "karate", "--epochs", "1", "--out", "o"]) == 0
    capsys.readouterr()
    assert main(["embed", "o/seed-0/model", "karate", "--out", "z.npz"]) == 2
    assert "which is no code of gcl; if you trust it" in told(capsys)[-1]
    options = ["--out", "z.npz", "--trust", "own_recipe_kept"]
    assert main(["embed", "o/seed-0/model", "karate", *options]) == 0
    with np.load("z.npz") as found:
        assert np.array_equal(found["z"], np.load("o/seed-0/embedding.npy"))


def test_a_graph_that_has_grown_with_names_and_no_labels(kept, capsys):
    method, folder = kept
    assert main(["embed", folder, "grown_graphs:grown", "--out", "z.csv", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"out": "z.csv", "rows": 44, "columns": 8}
    assert "gcl: 44 rows of 8 after" in captured.err
    found = pandas.read_csv("z.csv", index_col="id")
    assert found.index[-1] == "member 43"
    import grown_graphs

    expected = gcl.embed(method, grown_graphs.grown()).numpy()
    assert np.array_equal(found.to_numpy().astype(np.float32), expected)


def test_a_folder_of_arrays_and_rows_at_a_time(kept, data, capsys):
    method, folder = kept
    gcl.datasets.to_files(data, "arrays")
    options = ["--out", "z.npz", "--batch-size", "7"]
    assert main(["embed", folder, "arrays", *options]) == 0
    with np.load("z.npz") as found:
        assert np.allclose(found["z"], gcl.embed(method, data).numpy(), atol=1e-6)


def test_a_set_of_graphs(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["--epochs", "1", "--hidden", "4", "--out", "runs", "--no_cluster"]
    assert main(["train", "graphcl", "toy", *few]) == 0
    assert main(["embed", "runs/seed-0/model", "toy", "--out", "z.npz", "--batch-size", "9"]) == 0
    with np.load("z.npz") as found:
        assert np.allclose(found["z"], np.load("runs/seed-0/embedding.npy"), atol=1e-6)
    assert main(["embed", "runs/seed-0/model", "karate", "--out", "z.npz"]) == 2
    assert "for a set of graphs, and karate is one graph" in told(capsys)[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kept", "grown_graphs:other", "--out", "z.csv"], "data.x must have 34 columns|34"),
        (["kept", "karate", "--out", "z.txt"], r"must end in one of \.npz"),
        (["kept", "karate"], "required: --out"),
        (["kept"], "required: data"),
        (["nowhere", "karate", "--out", "z.csv"], "nowhere holds no saved method"),
        (["kept", "karote", "--out", "z.csv"], "did you mean 'karate'"),
        (["kept", "no_module:f", "--out", "z.csv"], "cannot be imported"),
        (["kept", "karate", "--out", "nowhere/z.csv"], "there is no folder nowhere"),
        (["kept", "karate", "--out", "z.csv", "--batch-size", "-1"], "at least 1"),
        (["kept", "karate", "--out", "z.csv", "--batchsize", "3"], "did you mean '--batch-size'"),
        (["kept", "karate", "--out", "z.csv", "--device", "tpux"], "device"),
        (["kept", "kept", "--out", "z.csv"], "edge_index"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said, kept, tmp_path, capsys):
    import re

    assert main(["embed", *arguments]) == 2
    assert re.search(said, told(capsys)[-1])
    assert not (tmp_path / "z.csv").exists()


def test_rows_of_a_heterogeneous_graph_have_the_ids_of_their_type(tmp_path):
    from gcl.cli.embed import _ids
    from tests.methods import papers

    data = papers.graph()
    data["paper"].ids = [f"p{i}" for i in range(40)]
    assert _ids(data, 40)[3] == "p3"
    assert list(_ids(data, 39)) == list(range(39))
    data["paper"].ids = torch.arange(40) * 10
    assert [int(i) for i in _ids(data, 40)][:2] == [0, 10]
