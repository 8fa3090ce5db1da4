"""The probe of the heterogeneous papers, against a plain loop with scikit-learn's scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.preprocessing import normalize
from torch_geometric.data import HeteroData

from gcl.evaluate import linear_probe
from gcl.evaluate.hetero_probe import hetero_probe
from gcl.evaluate.protocols import HETERO_PROTOCOLS
from gcl.evaluate.splits import Splits, random_splits_by_class

PARTS = ("train", "val", "test")
EPOCHS = 25


@pytest.fixture
def nodes():
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (150,), generator=generator)
    centre = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    z = centre[y] + 1.5 * torch.randn(150, 5, generator=generator, dtype=torch.float64)
    part = torch.randint(3, (150,), generator=generator)
    data = HeteroData()
    data["author"].num_nodes = 7
    data["paper"].y = y + 1  # labels need not start at 0
    for number, name in enumerate(PARTS):
        data["paper"][f"{name}_mask_40"] = part == number
    return z, data, [(part == number).nonzero().flatten() for number in range(3)]


def plain_probe(z, y, parts, start, lr, weight_decay):
    """One probe, step by step, as the papers describe it."""
    train, val, test = parts
    layer = torch.nn.Linear(5, 3).double()
    with torch.no_grad():
        layer.weight.copy_(start.T)
        layer.bias.zero_()
    optimizer = torch.optim.Adam(layer.parameters(), lr=lr, weight_decay=weight_decay)
    history = []
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(z[train]), y[train]).backward()
        optimizer.step()
        scores = layer(z).detach()
        found = scores.argmax(1)
        row = [f1_score(y[p], found[p], average=a) for p in (val, test) for a in ("macro", "micro")]
        auc = roc_auc_score(y[test], scores[test].softmax(1), multi_class="ovr")
        history.append((*row, auc))
    val_macro, val_micro, macro, micro, auc = np.array(history).T
    return macro[val_macro.argmax()], micro[val_micro.argmax()], auc[val_micro.argmax()]


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_equals_a_plain_loop(nodes, weight_decay, monkeypatch):
    short = replace(HETERO_PROTOCOLS["hetero-40"], epochs=EPOCHS)
    monkeypatch.setitem(HETERO_PROTOCOLS, "hetero-40", short)
    z, data, parts = nodes
    y = data["paper"].y - 1
    result = hetero_probe(
        z, data, protocol="hetero-40", lr=0.05, weight_decay=weight_decay, probes=2, seed=3
    )
    start = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(3))
    start = ((2 * start - 1) * (6 / 8) ** 0.5).double()
    runs = [plain_probe(z, y, parts, s, 0.05, weight_decay) for s in start]
    for name, expected in zip(("macro_f1", "micro_f1", "auc"), np.array(runs).T, strict=True):
        assert result.per_run[name] == pytest.approx(list(expected), abs=1e-9)
        assert result[name] == pytest.approx(expected.mean(), abs=1e-9)
        assert result[f"{name}_std"] == pytest.approx(expected.std(), abs=1e-9)
    assert result.protocol == (
        "hetero-40: 2 probes, raw rows, Adam 25 epochs, each score at its best on validation, "
        f"lr 0.05, weight decay {weight_decay:g}"
    )


def test_converged_is_the_public_protocol(nodes):
    z, data, parts = nodes
    y = data["paper"].y - 1
    result = hetero_probe(z, data, protocol="hetero-40", probes=1)
    masks = [data["paper"][f"{name}_mask_40"][None] for name in PARTS]
    public = linear_probe(z, y, protocol="public", splits=Splits("mine", *masks))
    assert result["converged_micro_f1"] == pytest.approx(public["micro_f1"], abs=1e-12)
    assert result["converged_macro_f1"] == pytest.approx(public["macro_f1"], abs=1e-12)
    x = normalize(z.numpy())
    model = LogisticRegression(C=public.per_run["C"][0], tol=1e-8, max_iter=9999)
    train, _, test = (p.numpy() for p in parts)
    scores = model.fit(x[train], y.numpy()[train]).predict_proba(x[test])
    auc = roc_auc_score(y.numpy()[test], scores, multi_class="ovr")
    assert result["converged_auc"] == pytest.approx(auc, abs=0.005)
    assert "converged_auc_std" not in result


def test_seeds_forms_and_global_generator(nodes):
    z, data, _ = nodes
    state = torch.get_rng_state()
    with torch.no_grad():
        one = hetero_probe(z, data, protocol="hetero-40", probes=2)
    assert one == hetero_probe(z.to_sparse_coo(), data, protocol="hetero-40", probes=2)
    assert torch.equal(state, torch.get_rng_state())
    other = hetero_probe(z, data, protocol="hetero-40", probes=2, seed=1)
    assert one.per_run != other.per_run
    assert one["converged_auc"] == other["converged_auc"]


def test_a_class_that_the_test_part_lacks(nodes):
    z, data, _ = nodes
    lacking = data["paper"].test_mask_40 & (data["paper"].y != 2)
    data["paper"].test_mask_40 = lacking
    result = hetero_probe(z, data, protocol="hetero-40", probes=1)
    assert all(0 <= value <= 1 for value in result.values())


def test_random_splits_are_public_ones_drawn_by_lot(nodes):
    z, data, _ = nodes
    for name in PARTS:
        del data["paper"][f"{name}_mask_40"]
    found = hetero_probe(z, data, protocol="hetero-random", probes=3, seed=5)
    assert found.protocol == (
        "hetero-random: 3 random-20-30-rest splits, raw rows, Adam 200 epochs, each score at its "
        "best on validation, lr 0.01, weight decay 0"
    )
    splits = random_splits_by_class(data["paper"].y, num_splits=3, seed=5)
    for s, parts in enumerate(zip(splits.train, splits.val, splits.test, strict=True)):
        for name, part in zip(PARTS, parts, strict=True):
            data["paper"][f"{name}_mask_20"] = part
        alone = hetero_probe(z, data, protocol="hetero-20", probes=1, seed=5 + s)
        for name, runs in alone.per_run.items():
            assert found.per_run[name][s] == runs[0]
    assert found["converged_auc_std"] > 0


def test_authors_without_a_label_are_in_no_split(nodes):
    z, data, _ = nodes
    y, known = data["paper"].y, torch.arange(150) % 3 > 0
    data["paper"].y = torch.where(known, y, -1)
    found = hetero_probe(z, data, protocol="hetero-random", probes=2)
    assert found.protocol.endswith("weight decay 0, 100 of 150 nodes labelled")
    few = HeteroData()
    few["paper"].y = y[known]
    alone = hetero_probe(z[known], few, protocol="hetero-random", probes=2)
    assert found == pytest.approx(alone)
    del data["paper"].y
    with pytest.raises(ValueError, match="needs y at one node type; no type of this graph"):
        hetero_probe(z, data, protocol="hetero-random")


def test_protocols():
    names = ["hetero-20", "hetero-40", "hetero-60", "hetero-random"]
    assert list(HETERO_PROTOCOLS) == names
    line = HETERO_PROTOCOLS["hetero-20"].describe("hetero-20", 50, 0)
    assert line.startswith("hetero-20: 50 probes, raw rows, Adam 200 epochs, each score at its")


def test_mistakes(nodes):
    z, data, _ = nodes
    for options, message in (
        ({"protocol": "hetero-30"}, "protocol must be one of hetero-20, hetero-40"),
        (
            {"protocol": "hetero-20"},
            "needs y, train_mask_20, val_mask_20, test_mask_20 at one node",
        ),
        ({"lr": 0.0}, "lr must be a number above 0"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"probes": 0}, "probes must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            hetero_probe(z, data, **{"protocol": "hetero-40", **options})
    with pytest.raises(ValueError, match="expected 149 labels"):
        hetero_probe(z[:149], data, protocol="hetero-40")
    with pytest.raises(TypeError, match="expected a HeteroData, got dict"):
        hetero_probe(z, {})
    empty = data.clone()
    empty["paper"].val_mask_40 = torch.zeros(150, dtype=torch.bool)
    with pytest.raises(ValueError, match="the val mask of protocol 'hetero-40' holds no node"):
        hetero_probe(z, empty, protocol="hetero-40")
