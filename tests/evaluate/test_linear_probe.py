"""The probe: against scikit-learn, and what selection may look at."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

import gcl.evaluate
from gcl.evaluate import PROTOCOLS, Protocol, Splits, linear_probe, random_splits
from gcl.evaluate.classifiers import chosen_logistic
from gcl.evaluate.linear_probe import probed_splits

CS = [0.1, 1.0, 10.0, 100.0]


@pytest.fixture
def nodes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 400)
    z = rng.normal(size=(4, 16))[y] + 1.3 * rng.normal(size=(400, 16))
    return torch.tensor(z, dtype=torch.float32), torch.tensor(y)


def test_equals_a_loop_over_scikit_learn(nodes):
    z, y = nodes
    splits = random_splits(400, num_splits=4, seed=3)
    ours = linear_probe(z, y, splits=splits, Cs=CS)
    x, labels = normalize(z.double().numpy()), y.numpy()
    theirs = {"accuracy": [], "micro_f1": [], "macro_f1": []}
    for s in range(4):
        train, val, test = (m[s].numpy() for m in (splits.train, splits.val, splits.test))
        models = [
            LogisticRegression(C=c, tol=1e-8, max_iter=9999).fit(x[train], labels[train])
            for c in CS
        ]
        best = max(models, key=lambda m: m.score(x[val], labels[val]))
        found = best.predict(x[test])
        theirs["accuracy"].append(accuracy_score(labels[test], found))
        theirs["micro_f1"].append(f1_score(labels[test], found, average="micro"))
        theirs["macro_f1"].append(f1_score(labels[test], found, average="macro"))
        assert ours.per_run["C"][s] == best.C
    for name, runs in theirs.items():
        assert ours[name] == pytest.approx(np.mean(runs), abs=0.005)
        assert ours[f"{name}_std"] == pytest.approx(np.std(runs), abs=0.005)


def test_raw_rows_equal_scikit_learn_on_rows_of_any_scale():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 300)
    # Columns from a thousandth to a thousand, far from the origin
    z = (rng.normal(size=(3, 12))[y] + rng.normal(size=(300, 12))) * np.logspace(-3, 3, 12) + 500
    splits = random_splits(300, 0.3, 0.3, num_splits=3)
    ours = linear_probe(z, y, protocol="random-10-10-80-raw", splits=splits)
    scale = np.sqrt(z.var(0).sum())
    for s in range(3):
        train, val, test = (m[s].numpy() for m in (splits.train, splits.val, splits.test))
        models = [
            LogisticRegression(C=c / scale**2, solver="newton-cholesky", tol=1e-9, max_iter=999)
            .fit(z[train], y[train])
            for c in PROTOCOLS["public-raw"].Cs
        ]  # fmt: skip
        reached = [m.score(z[val], y[val]) for m in models]
        best = models[int(np.argmax(reached))]
        assert ours.per_run["val_accuracy"][s] == pytest.approx(max(reached), abs=0.02)
        assert ours.per_run["accuracy"][s] == pytest.approx(best.score(z[test], y[test]), abs=0.03)
    # The units of an embedding decide nothing, the units of a column do.
    longer = linear_probe(1024 * z, y, protocol="random-10-10-80-raw", splits=splits)
    assert longer.per_run == ours.per_run
    other = linear_probe(z / np.logspace(-3, 3, 12), y, protocol="public-raw", splits=splits)
    assert other.per_run != ours.per_run


def test_area_and_precision_are_those_of_scikit_learn(nodes):
    z, y = nodes
    for labels, columns in ((y, slice(None)), (y.clamp(max=1), slice(1, None))):
        splits = random_splits(400, 0.2, 0.2, num_splits=2)
        found = linear_probe(z, labels, splits=splits, Cs=[1.0])
        x, hot = normalize(z.double().numpy()), np.eye(int(labels.max()) + 1)[labels]
        for s in range(2):
            train, test = splits.train[s].numpy(), splits.test[s].numpy()
            model = LogisticRegression(tol=1e-8, max_iter=9999).fit(x[train], labels[train])
            told, true = model.predict_proba(x[test])[:, columns], hot[test][:, columns]
            area, precision = found.per_run["auc"][s], found.per_run["average_precision"][s]
            assert area == pytest.approx(roc_auc_score(true, told), abs=2e-3)
            assert precision == pytest.approx(average_precision_score(true, told), abs=3e-3)
        parts = [torch.bincount(labels[test]).max() / test.sum() for test in splits.test]
        assert found["largest_class"] == pytest.approx(float(sum(parts)) / 2)


def test_a_test_part_of_one_class_has_no_area(nodes):
    z, y = nodes
    train, val = torch.zeros(2, 1, 400, dtype=torch.bool)
    train[0, :100], val[0, 100:200] = True, True
    test = ~(train | val) & (y == 2)
    result = linear_probe(z, y, splits=Splits("mine", train, val, test), Cs=CS)
    assert "auc" not in result
    assert result["largest_class"] == 1


def test_few_labels_a_class(nodes):
    z, y = nodes
    result = linear_probe(z, y, protocol="random-20-30-rest")
    assert result.protocol == (
        "random-20-30-rest: 100 splits, l2 rows, L-BFGS, C of 6 on validation"
    )
    assert len(result.per_run["accuracy"]) == 100
    assert 0.5 < result["accuracy"] < linear_probe(z, y)["accuracy"] + 0.1
    raw = linear_probe(z, y, protocol="random-20-30-rest-raw")
    assert raw.protocol.startswith("random-20-30-rest-raw: 100 random-20-30-rest splits, raw rows")
    assert raw["accuracy"] == pytest.approx(result["accuracy"], abs=0.1)


@pytest.mark.parametrize("protocol", ["random-10-10-80", "random-20-30-rest", "e1", "e2", "public"])
def test_nodes_without_a_label_are_as_if_they_were_not_there(nodes, protocol):
    z, y = nodes
    known = torch.arange(400) % 5 > 0
    part = torch.arange(400) // 5 % 3
    data = Data(num_nodes=400)
    for i, name in enumerate(("train", "val", "test")):
        data[f"{name}_mask"] = known & (part == i)
    table = PROTOCOLS[protocol]
    table = Protocol(
        table.name, table.train, table.val, 1 if table.train is None else 3, table.l2,
        table.classifier, epochs=min(table.epochs, 30), select=table.select, Cs=table.Cs[-3:],
        by_class=table.by_class,
    )  # fmt: skip
    hidden = torch.where(known, y, -1)
    found = linear_probe(z, hidden, protocol=table, data=data)
    alone = linear_probe(z[known], y[known], protocol=table, data=data.subgraph(known))
    assert found == pytest.approx(alone, abs=0.01)
    assert found.protocol == alone.protocol + ", 320 of 400 nodes labelled"
    everywhere = random_splits(400, num_splits=1)
    with pytest.raises(ValueError, match=r"nodes in the parts of 'random-10-10-80' have no label"):
        linear_probe(z, hidden, splits=everywhere)


@pytest.mark.parametrize("protocol", ["random-10-10-80", "e2"])
def test_nothing_is_selected_on_the_test_part(nodes, protocol, monkeypatch):
    z, y = nodes
    table = PROTOCOLS[protocol]
    if table.epochs:
        table = Protocol(protocol, 0.1, 0.1, 2, False, "adam", epochs=60, select=True)
    train, val, test = torch.zeros(3, 1, 400, dtype=torch.bool)
    train[0, :60], val[0, 60:120], test[0, 120:] = True, True, True
    splits = Splits("mine", train, val, test)
    seen = []
    original = gcl.evaluate.linear_probe.__globals__["split_accuracy"]

    def spy(predicted, labels, masks):
        seen.append(predicted.clone())
        return original(predicted, labels, masks)

    monkeypatch.setitem(gcl.evaluate.linear_probe.__globals__, "split_accuracy", spy)
    honest = linear_probe(z, y, protocol=table, splits=splits)
    shuffled = y.clone()
    shuffled[120:] = y[120:][torch.randperm(280, generator=torch.Generator().manual_seed(0))]
    blind = linear_probe(z, shuffled, protocol=table, splits=splits)
    assert torch.equal(seen[0], seen[len(seen) // 2])
    assert honest["val_accuracy"] == blind["val_accuracy"]
    assert honest.per_run.get("C") == blind.per_run.get("C")
    assert honest["accuracy"] > blind["accuracy"] + 0.2


def test_dense_sparse_and_array_agree(nodes):
    z, y = nodes
    z = z * (z > 0.5)
    splits = random_splits(400, num_splits=3)
    results = [
        linear_probe(form, labels, splits=splits, Cs=CS)
        for form, labels in [
            (z, y),
            (z.numpy(), y.numpy()),
            (z.to_sparse_coo(), y),
            (sp.csr_matrix(z.numpy()), y),
            (z.double(), y.unsqueeze(1)),
        ]
    ]
    for other in results[1:]:
        assert other["accuracy"] == pytest.approx(results[0]["accuracy"], abs=0.005)
        assert other.per_run["C"] == results[0].per_run["C"]


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_sparse_csr_tensor(nodes):
    z, y = nodes
    z = z * (z > 0.5)
    assert linear_probe(z.to_sparse_csr(), y, Cs=CS)["accuracy"] == pytest.approx(
        linear_probe(z, y, Cs=CS)["accuracy"], abs=0.005
    )


def test_chunks_of_splits_change_nothing(nodes, monkeypatch):
    z, y = nodes
    splits = random_splits(400, num_splits=5)
    whole = linear_probe(z, y, splits=splits, Cs=CS)
    monkeypatch.setattr(chosen_logistic, "BUDGET", 1)
    pieces = linear_probe(z, y, splits=splits, Cs=CS)
    assert pieces.per_run["accuracy"] == pytest.approx(whole.per_run["accuracy"], abs=0.005)


def test_labels_may_start_anywhere(nodes):
    z, y = nodes
    plain = linear_probe(z, y, Cs=CS)
    assert linear_probe(z, torch.tensor([7, 1, 30, 4])[y], Cs=CS)["accuracy"] == pytest.approx(
        plain["accuracy"], abs=0.005
    )


def test_a_class_absent_from_training(nodes):
    z, y = nodes
    y = y.clone()
    y[0] = 9  # a class of one node: in most splits nobody trains on it
    result = linear_probe(z, y, Cs=CS)
    assert 0.5 < result["accuracy"] < 1
    assert np.isfinite(list(result.values())).all()


def test_public_needs_and_reads_the_masks(nodes):
    z, y = nodes
    index = torch.arange(400)
    data = Data(num_nodes=400, train_mask=index < 80, val_mask=(index >= 80) & (index < 160))
    data.test_mask = index >= 160
    result = linear_probe(z, y, protocol="public", data=data)
    assert result.protocol == "public: 1 split, l2 rows, L-BFGS, C of 6 on validation"
    assert result["accuracy_std"] == 0
    with pytest.raises(ValueError, match="data=data"):
        linear_probe(z, y, protocol="public")
    probes = linear_probe(z, y, protocol="e3", data=data)
    assert probes.protocol == "e3: 50 public probes, raw rows, Adam 100 epochs, last epoch"
    assert len(probes.per_run["accuracy"]) == 50
    assert probes["accuracy"] == pytest.approx(result["accuracy"], abs=0.05)


def test_the_line_tells_what_was_done_and_not_what_was_asked(nodes):
    z, y = nodes
    masks = {f"{name}_mask": torch.arange(400) % 3 == i for i, name in enumerate(("train", "val"))}
    data = Data(x=z, y=y, **masks, test_mask=torch.arange(400) % 3 == 2)
    public = gcl.evaluate.public_split(data)
    own = linear_probe(z, y, splits=public)
    assert own.protocol == "public: 1 split, l2 rows, L-BFGS, C of 6 on validation"
    assert own.protocol == linear_probe(z, y, protocol="public", data=data).protocol
    few = linear_probe(z, y, splits=random_splits(400, 0.2, 0.3, num_splits=2), Cs=CS)
    assert few.protocol == "random-20-30-50: 2 splits, l2 rows, L-BFGS, C of 4 on validation"
    e1 = linear_probe(z, y, protocol="e1", splits=public, Cs=[1.0])
    assert e1.protocol == "public: 1 split, l2 rows, one-vs-rest liblinear, C of 1 by 5-fold CV"
    same = linear_probe(z, y, splits=random_splits(400, num_splits=3), Cs=CS)
    assert same.protocol.startswith("random-10-10-80: 3 splits, ")
    e2 = linear_probe(z, y, protocol=Protocol("mine", 0.1, 0.1, 2, True, "lbfgs"), Cs=CS)
    assert e2.protocol.startswith("mine: 2 random-10-10-80 splits, ")


def test_e1_chooses_inside_the_training_part(nodes):
    z, y = nodes
    splits = random_splits(400, 0.2, 0.0, num_splits=2)
    result = linear_probe(z, y, protocol="e1", splits=splits, Cs=[0.5, 8.0])
    assert "val_accuracy" not in result
    assert set(result.per_run["C"]) <= {0.5, 8.0}
    assert result["accuracy"] == pytest.approx(
        linear_probe(z, y, splits=random_splits(400, 0.2, 0.1, num_splits=2))["accuracy"], abs=0.08
    )
    assert len(PROTOCOLS["e1"].Cs) == 20


@pytest.mark.parametrize("protocol", ["random-10-10-80", "e1", "e2"])
def test_seeds_and_global_generators(nodes, protocol):
    z, y = nodes
    table = PROTOCOLS[protocol]
    table = Protocol(
        table.name, table.train, table.val, 2, table.l2, table.classifier,
        epochs=min(table.epochs, 30), select=table.select, Cs=table.Cs[:2],
    )  # fmt: skip
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with torch.no_grad():
        first = linear_probe(z, y, protocol=table, seed=1)
    assert first == linear_probe(z, y, protocol=table, seed=1)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002
    assert first != linear_probe(z, y, protocol=table, seed=2)


def mistake(z=None, y=None, **options):
    good = torch.arange(40.0).view(20, 2)
    return linear_probe(
        good if z is None else z, torch.arange(20) % 2 if y is None else y, **options
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"z": torch.zeros(20)}, ValueError, "matrix"),
        ({"z": torch.full((20, 2), torch.nan)}, ValueError, "NaN"),
        ({"z": [[1.0]]}, TypeError, "list"),
        ({"y": torch.zeros(19)}, ValueError, "20 labels"),
        ({"y": torch.full((20,), 3)}, ValueError, "two classes"),
        ({"y": torch.arange(20) - 2}, ValueError, "below -1"),
        ({"y": torch.arange(20) + 0.5}, ValueError, "whole numbers"),
        ({"y": torch.full((20,), torch.nan)}, ValueError, "NaN"),
        ({"protocol": "e9"}, ValueError, "random-10-10-80"),
        ({"Cs": [-1.0]}, ValueError, "positive"),
        ({"Cs": [1.0], "protocol": "e2"}, ValueError, "no penalty"),
        ({"splits": random_splits(30)}, ValueError, "same graph"),
        ({"splits": random_splits(20, 0.2, 0.0)}, ValueError, "validation"),
    ],
)
def test_mistakes(options, error, message):
    with pytest.raises(error, match=message):
        mistake(**options)


def test_missing_labels():
    with pytest.raises(TypeError, match=r"data\.y"):
        linear_probe(torch.eye(4), None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_splits_before_there_is_an_embedding(protocol, monkeypatch):
    y, seen = torch.arange(120) % 3, []
    data = Data(y=y, num_nodes=120)
    for part, name in enumerate(("train", "val", "test")):
        data[f"{name}_mask"] = torch.arange(120) // 40 == part
    module = importlib.import_module("gcl.evaluate.linear_probe")
    choose = module.choose_splits
    monkeypatch.setattr(
        module, "choose_splits", lambda *told: seen.append(choose(*told)) or seen[-1]
    )
    few = {"epochs": 2} if PROTOCOLS[protocol].epochs else {}
    monkeypatch.setitem(PROTOCOLS, protocol, replace(PROTOCOLS[protocol], **few))
    linear_probe(torch.randn(120, 2), y, protocol=protocol, data=data)
    probed_splits(y, protocol, data)
    used, told = seen
    assert all(torch.equal(getattr(used, p), getattr(told, p)) for p in ("train", "val", "test"))


# Two targets, the first of them known for three nodes.
RARELY_KNOWN = torch.where(
    torch.arange(40)[:, None] < torch.tensor([[3, 40]]), torch.arange(40.0)[:, None] % 2, torch.nan
)


@pytest.mark.parametrize(
    ("y", "protocol", "message"),
    [
        (torch.arange(120) % 3, "public", "the data has no train_mask"),
        (torch.arange(120) % 3, "best", "unknown protocol 'best'"),
        (torch.zeros(120), "e1", "at least two classes"),
        (torch.arange(4) % 2, "random-10-10-80", "nodes are too few"),
        (torch.arange(34) % 2, "e1", "5-fold cross-validation needs 5 training nodes"),
        (RARELY_KNOWN, "random-10-10-80", "target 0 is unknown for all"),
        (torch.eye(3).repeat(4, 1)[:, :2], "e1", "has several targets"),
    ],
)
def test_complaints_before_there_is_an_embedding(y, protocol, message):
    data = Data(y=y, num_nodes=len(y))
    with pytest.raises(ValueError, match=message) as before:
        probed_splits(y, protocol, data)
    with pytest.raises(ValueError) as after:
        linear_probe(torch.randn(len(y), 2), y, protocol=protocol, data=data)
    assert str(before.value) == str(after.value)
