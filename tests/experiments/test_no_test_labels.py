"""No choice reads a test label: with other labels on the test nodes every choice stays."""

import copy
import importlib
from functools import partial

import pytest
import torch
from torch_geometric.seed import seed_everything

import gcl
from gcl import evaluate
from gcl.callbacks import EarlyStopping, Evaluate
from gcl.evaluate import PROTOCOLS, public_split
from gcl.experiments.criteria import CRITERIA, VALIDATION
from gcl.experiments.keeping import Keeping, told
from gcl.experiments.run import Run, train_seed
from gcl.experiments.select import ranked, select

TRIES = [
    {"recipe": "dgi", "hidden": 8, "grid": {"epochs": [0, 5]}},
    {"recipe": "grace", "hidden": 8, "epochs": 3, "grid": {"tau": [0.2, 0.9]}},
]


def graph():
    data = gcl.datasets.sbm(120, 3, num_features=8, seed=2)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    for part, nodes in zip(("train", "val", "test"), order.split((30, 30, 60)), strict=True):
        data[f"{part}_mask"] = torch.zeros(120, dtype=torch.bool).index_fill(0, nodes, True)
    return data


def poisoned(data):
    """Random labels on the test nodes."""
    data = copy.copy(data)
    random = torch.randint(3, (120,), generator=torch.Generator().manual_seed(1))
    data.y = torch.where(data.test_mask, random, data.y)
    return data


@pytest.fixture(scope="module")
def pair():
    data = graph()
    return data, poisoned(data)


@pytest.fixture(scope="module")
def z(pair):
    return pair[0].x + 0.5 * torch.randn(120, 8, generator=torch.Generator().manual_seed(4))


def test_select_by_every_criterion(pair, tmp_path):
    names = [*CRITERIA, VALIDATION]
    orders, accuracies = [], []
    for i, data in enumerate(pair):
        out = tmp_path / f"{i}.csv"
        found = select(
            data, TRIES, criterion=VALIDATION, also=names, options={"protocol": "public"}, out=out
        )
        rows = Keeping(2, names, data, data, out=out)
        runs = sorted(found.runs, key=lambda run: (run.recipe, run.epochs, str(run.method)))
        orders.append(
            {
                name: [told(run) for run in ranked(name, runs, rows).runs]
                for name in (*names, f"modularity+{VALIDATION}")
            }
        )
        orders[-1]["select"] = [told(run) for run in found.runs]
        accuracies.append([float(rows.of(run)["accuracy"]) for run in runs])
    assert accuracies[0] != accuracies[1]
    assert orders[0] == orders[1]


def test_search_by_validation(pair):
    pytest.importorskip("optuna")
    ranges = [{"recipe": "dgi", "epochs": 2, "ranges": {"hidden": {"low": 2, "high": 12}}}]
    clean, other = (
        select(data, ranges, criterion=VALIDATION, trials=3, options={"protocol": "public"})
        for data in pair
    )
    assert [run.method for run in clean.runs] == [run.method for run in other.runs]


@pytest.mark.parametrize("protocol", ["public", "e1-public", "e2"])
def test_linear_probe(pair, z, protocol):
    clean, other = (
        evaluate.linear_probe(z, d.y, protocol=protocol, splits=public_split(d)) for d in pair
    )
    assert clean["accuracy"] != other["accuracy"]
    assert clean.per_run.get("C") == other.per_run.get("C")
    assert clean["val_accuracy"] == other["val_accuracy"]
    if protocol != "e2":  # which chooses an epoch
        assert len(clean.per_run["C"]) == 1
    assert PROTOCOLS[protocol].select is (protocol == "e2")


def test_nearest_neighbours(pair, z):
    ks = [1, 3, 9]
    clean, other = (evaluate.knn(z, d.y, k=ks, protocol="public", data=d) for d in pair)
    assert clean["accuracy"] != other["accuracy"]
    assert clean.per_run["k"] == other.per_run["k"]


def test_early_stopping_on_what_evaluate_writes(pair):
    found = []
    for data in pair:
        seed_everything(0)
        method = gcl.methods.dgi(data, hidden=8)
        stopping = EarlyStopping("val_accuracy", mode="max", patience=3)
        measure = partial(evaluate.linear_probe, protocol="public", data=data)
        state = gcl.fit(
            method, data, epochs=12, lr=0.05,
            callbacks=[Evaluate(lambda z, d, f=measure: f(z, d.y), every=1), stopping],
        )  # fmt: skip
        found.append((state, stopping, gcl.embed(method, data)))
    (clean, first, z), (other, second, same) = found
    assert [row["accuracy"] for row in clean.history] != [row["accuracy"] for row in other.history]
    assert (first.best_epoch, clean.epoch) == (second.best_epoch, other.epoch)
    assert torch.equal(z, same)


def test_supervised_gcn(pair, monkeypatch):
    module = importlib.import_module("gcl.baselines.supervised_gcn")
    score, predicted = module.split_accuracy, []

    def kept(found, y, masks):
        predicted.append(found)
        return score(found, y, masks)

    monkeypatch.setattr(module, "split_accuracy", kept)
    clean, other = (gcl.baselines.supervised_gcn(d, epochs=30, normalize=False) for d in pair)
    assert clean["accuracy"] != other["accuracy"]
    first, *rest = predicted
    assert all(torch.equal(first, one) for one in rest)


@pytest.mark.parametrize("patience", [0, 2])
def test_a_run_of_the_suite(pair, patience):
    run = Run("dgi", "own", "public", epochs=8, lr=0.1, patience=patience, method={"hidden": 8})
    (rows, first), (others, second) = (train_seed(run, data, 0) for data in pair)
    assert first.cost["trained_epochs"] == second.cost["trained_epochs"]
    for mine, theirs in zip(rows, others, strict=True):
        assert mine["accuracy"] != theirs["accuracy"]
        assert mine["val_accuracy"] == theirs["val_accuracy"]
    assert torch.equal(first.z, second.z)
