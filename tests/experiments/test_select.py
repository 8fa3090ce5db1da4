"""The choice of a setting, from Python."""

import json
import shlex

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import gcl
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.criteria import DEFAULT, VALIDATION, parts
from gcl.experiments.grids import read_grid
from gcl.experiments.select import grid_runs, select
from tests.boards import masked

TRIES = [
    {"recipe": "dgi", "hidden": 8, "grid": {"epochs": [0, 2]}},
    {"recipe": "grace", "hidden": 8, "grid": {"epochs": [1], "tau": [0.2, 0.9]}},
]
PUBLIC = {"protocol": "public"}


@pytest.fixture(scope="module")
def found():
    return select(
        "tests.boards:masked", TRIES, criterion="modularity", also=[VALIDATION], options=PUBLIC
    )


def test_it_is_a_name_of_the_package():
    assert gcl.select is select


def test_the_best_first_and_its_regret(found):
    values = [row["modularity"] for row in found.rows]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    accuracies = [row["accuracy"] for row in found.rows]
    assert found.regret == max(accuracies) - accuracies[0]
    assert {run.recipe for run in found.runs} == {"dgi", "grace"}
    assert found.rows[0]["recipe"] == found.run.recipe
    assert json.loads(found.rows[0]["setting"]) == found.options


def test_the_command_trains_the_choice(found, tmp_path, capsys):
    words = shlex.split(found.command)
    assert words[:4] == ["gcl", "train", found.run.recipe, "tests.boards:masked"]
    assert main([*words[1:], "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert (run["epochs"], run["protocol"]) == (found.run.epochs, "public")
    method = {key: list(v) if isinstance(v, tuple) else v for key, v in found.run.method.items()}
    assert run["method"] == method
    assert isinstance(found.run.build(masked()), gcl.Method)


def test_several_processes_give_the_same(found, tmp_path):
    other = select(
        "tests.boards:masked", TRIES[1:], criterion="modularity", also=[VALIDATION],
        options=PUBLIC, jobs=2, out=tmp_path / "rows.csv",
    )  # fmt: skip
    alone = {row["options"]: row["modularity"] for row in found.rows}
    assert [float(r["modularity"]) for r in other.rows] == [alone[r["options"]] for r in other.rows]
    assert len(results.read_rows(tmp_path / "rows.csv")) == 2


def test_a_graph_of_ones_own():
    data = gcl.datasets.sbm(60, 2, num_features=4)
    mine = select(data, TRIES[:1])
    assert (mine.criterion, mine.rows[0]["seeds"]) == (DEFAULT, 2)
    assert mine.command.startswith("gcl train dgi DATASET --epochs=")
    assert mine.regret >= 0
    del data.y
    blind = select(data, TRIES[:1])
    assert blind.regret is None
    for name in parts(DEFAULT):
        assert [r[name] for r in blind.rows] == [r[name] for r in mine.rows]
    assert "y" not in data


def test_the_mean_of_ranks_chooses(found):
    both = select("tests.boards:masked", TRIES, criterion="modularity+val_accuracy", options=PUBLIC)
    by = {row["options"]: row for row in found.rows}
    order = [row["options"] for row in both.rows]
    columns = [[-by[o][name] for o in order] for name in ("modularity", VALIDATION)]
    ranks = np.mean([[sum(w < v for w in c) + (c.count(v) - 1) / 2 for v in c] for c in columns], 0)
    assert ranks.tolist() == sorted(ranks)


def test_twice_the_same_setting_is_one():
    grid = {"epochs": [200, 100, 100]}
    tries = read_grid([{"recipe": "grace", "epochs": 200}, {"recipe": "grace", "grid": grid}])
    found = grid_runs(tries, "karate", {}, gcl.datasets.karate())
    assert [run.epochs for run in found] == [200, 100]


def test_the_protocol_is_that_of_the_data_unless_told():
    mine = [{"recipe": "dgi"}, {"recipe": "dgi", "protocol": "e1"}]
    for data, protocol in (
        (gcl.datasets.karate(), "random-10-10-80"),
        (Data(y=torch.tensor([0, 1, 0, 1]), num_nodes=4), "random-20-30-rest"),
    ):
        found = grid_runs(read_grid(mine), "own", {}, data)
        assert [run.protocol for run in found] == [protocol, "e1"]


def test_no_global_generator_decides():
    torch.manual_seed(1)
    one = select("karate", TRIES[:1])
    torch.manual_seed(2)
    other = select("karate", TRIES[:1])
    for name in parts(DEFAULT):
        assert [r[name] for r in one.rows] == [r[name] for r in other.rows]


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"criterion": "best"}, ValueError, "unknown criterion 'best'"),
        ({"seeds": 1, "criterion": "cluster_stability"}, ValueError, "seeds must be at least 2"),
        ({"jobs": 0}, ValueError, "select: jobs"),
        ({"data": 3}, TypeError, "select: data must be a graph"),
        ({"data": "hetero-sbm"}, TypeError, "one graph with nodes of one type"),
        ({"tries": [{"recipe": "dgi", "grid": {"hiden": [1]}}]}, ValueError, "hiden"),
        (
            {"tries": [{"recipe": "dgi", "ranges": {"lr": {"low": 0.1, "high": 1.0}}}]},
            ValueError,
            "lr of dgi is a range; give --trials",
        ),
        (
            {"criterion": VALIDATION, "options": {"protocol": "e1"}},
            ValueError,
            "protocol e1 has no validation nodes",
        ),
    ],
)
def test_messages(change, error, sentence):
    told = {"data": "karate", "tries": TRIES, **change}
    with pytest.raises(error, match=sentence):
        select(told.pop("data"), told.pop("tries"), **told)


def test_validation_needs_labels():
    data = masked()
    del data.y
    with pytest.raises(ValueError, match="val_accuracy needs labels"):
        select(data, TRIES, criterion=VALIDATION)


def test_nothing_that_could_be_trained():
    tries = [{"recipe": "dgi", "hidden": 8, "lr": 1e30, "optimizer": "SGD", "epochs": 50}]
    with pytest.raises(ValueError, match=r"select: no setting could be trained: .*loss"):
        select("karate", tries)
