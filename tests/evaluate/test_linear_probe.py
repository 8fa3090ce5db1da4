"""The probe: against scikit-learn, and what selection may look at."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

import gcl.evaluate
from gcl.evaluate import PROTOCOLS, Protocol, Splits, linear_probe, random_splits

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
    monkeypatch.setitem(linear_probe.__globals__, "BUDGET", 1)
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
        ({"y": torch.arange(20) - 1}, ValueError, "unlabelled"),
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
