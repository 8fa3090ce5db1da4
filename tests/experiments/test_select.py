"""The choice of a setting, from Python."""

import json
import shlex

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import HalfHop

import gcl
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.criteria import DEFAULT, VALIDATION, parts
from gcl.experiments.grids import read_grid
from gcl.experiments.select import grid_runs, select
from gcl.experiments.trials import Trial
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
        ({"data": Data(x=torch.eye(3))}, ValueError, "edge_index"),
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


def changed(change):
    data = gcl.datasets.karate()
    change(data)
    return data


def without_links(data):
    data.edge_index = data.edge_index[:, :0]


def with_loops(data):
    data.edge_index = torch.arange(34).repeat(2, 1)


def few_of_a_class(data):
    data.y = (torch.arange(34) < 2).long()


def no_validation(data):
    for part, nodes in (("train", slice(17)), ("val", slice(0)), ("test", slice(17, 34))):
        data[f"{part}_mask"] = torch.zeros(34, dtype=torch.bool)
        data[f"{part}_mask"][nodes] = True


def hopped(data):
    data.update(HalfHop()(data).to_dict())


def two_nodes(data):
    data.edge_index, data.x = torch.tensor([[0, 1], [1, 0]]), torch.eye(2)
    del data.y


@pytest.mark.parametrize("trials", [0, 2])
@pytest.mark.parametrize(
    ("change", "told", "sentence"),
    [
        (without_links, {}, "modularity_several cannot be measured, .*the graph has no links"),
        (without_links, {"criterion": "alignment"}, "alignment cannot be .*no links between two"),
        (with_loops, {"criterion": "alignment_uniformity"}, "no links between two nodes"),
        (with_loops, {"criterion": "edge_auc"}, "edge_auc cannot be measured.*too few"),
        (two_nodes, {"criterion": "uniformity"}, "at least 3, and the graph has 2"),
        (hopped, {"criterion": "hidden_edge_auc"}, "hidden_edge_auc cannot .*helper rows"),
        (id, {"options": {"protocol": "public"}}, "protocol public does not fit: .*no train_mask"),
        (id, {"options": {"protocol": "e1"}}, "e1 does not fit: .*needs 5 training nodes"),
        (id, {"options": {"protocol": "10-fold-svm"}}, "is one graph, which protocol"),
        (few_of_a_class, {"options": {"protocol": "random-20-30-rest"}}, "class 1 has 2 nodes"),
        (no_validation, {"options": {"protocol": "public"}}, "selects on validation nodes"),
        (
            no_validation,
            {"options": {"protocol": "e1-public"}, "criterion": VALIDATION},
            "e1-public has no validation nodes",
        ),
        (id, {"options": {"protocol": "e1"}, "criterion": VALIDATION}, "e1 has no validation"),
        (id, {"options": {"protocol": "e1"}, "also": [VALIDATION]}, "e1 has no validation"),
    ],
)
def test_what_cannot_be_measured_is_said_before_the_first_training(
    change, told, sentence, trials, monkeypatch
):
    def never(self, work):
        raise AssertionError("trained")

    monkeypatch.setattr(Trial, "rows", never)
    if trials:
        told = {"criterion": "modularity_several", **told}
    with pytest.raises(ValueError, match=sentence):
        select(changed(change), TRIES, trials=trials, **told)


@pytest.mark.parametrize("trials", [0, 4])
def test_every_protocol_of_a_grid_is_looked_at(trials):
    grid = {"protocol": ["public", "random-10-10-80"]}
    tries = [{"recipe": "dgi", "hidden": 8, "epochs": 1, "grid": grid}]
    with pytest.raises(ValueError, match=r"protocol public does not fit: .*no train_mask"):
        select("karate", tries, trials=trials)


def test_a_value_that_an_option_does_not_take_is_said_before_a_search():
    tries = [{"recipe": "dgi", "epochs": 1, "grid": {"hidden": [4, "wide"]}}]
    with pytest.raises(ValueError, match=r"dgi: .*hidden"):
        select("karate", tries, trials=1)
