"""Several targets a node: target by target against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from gcl.evaluate import Splits, linear_probe, random_splits

CS = [0.1, 1.0, 10.0, 100.0]


@pytest.fixture
def nodes():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 8))
    y = (z @ rng.normal(size=(8, 4)) + rng.normal(size=(300, 4)) > [0, 0, 1, 2]).astype(float)
    y[rng.random(y.shape) < 0.2] = np.nan
    y[np.isnan(y[:, [0, 2]]).all(1), 0] = 1.0  # one is always known
    y[:10] = np.nan  # in no part
    return z, y


def test_equal_to_a_loop_over_scikit_learn(nodes):
    z, y = nodes
    splits = random_splits(300, 0.3, 0.3, num_splits=2, among=torch.arange(300) >= 10)
    found = linear_probe(z, y, splits=splits, Cs=CS)
    assert found.protocol == (
        "random-30-30-40: 2 splits, l2 rows, L-BFGS, C of 4 on validation by likelihood, mean over "
        "4 targets, 290 of 300 nodes labelled"
    )
    x = normalize(z)
    for s in range(2):
        own, told, true = [], [], []
        for t in range(4):
            known = ~np.isnan(y[:, t])
            train, val, test = (
                known & m[s].numpy() for m in (splits.train, splits.val, splits.test)
            )
            models = [LogisticRegression(C=c, tol=1e-8).fit(x[train], y[train, t]) for c in CS]
            best = min(models, key=lambda m: log_loss(y[val, t], m.predict_proba(x[val])))
            guess, sure = best.predict(x[test]), best.predict_proba(x[test])[:, 1]
            own.append(
                [
                    (guess == y[test, t]).mean(),
                    f1_score(y[test, t], guess),
                    roc_auc_score(y[test, t], sure),
                    average_precision_score(y[test, t], sure),
                    best.score(x[val], y[val, t]),
                ]
            )
            told += list(guess)
            true += list(y[test, t])
        names = ("accuracy", "macro_f1", "auc", "average_precision", "val_accuracy")
        for name, value in zip(names, np.mean(own, axis=0), strict=True):
            assert found.per_run[name][s] == pytest.approx(value, abs=5e-3), name
        assert found.per_run["micro_f1"][s] == pytest.approx(f1_score(true, told), abs=5e-3)


def test_unknown_targets_in_every_form(nodes):
    z, y = nodes
    found = linear_probe(z, y, Cs=CS)
    coded = np.where(np.isnan(y), -1, y).astype(int)
    assert linear_probe(z, torch.from_numpy(coded), Cs=CS) == found
    # What is unknown does not count, and nodes without a target are in no part.
    alone = linear_probe(z[10:], y[10:], Cs=CS)
    assert alone.per_run["accuracy"] == pytest.approx(found.per_run["accuracy"], abs=0.01)
    rare = np.nanmean(y, axis=0)
    assert found["largest_class"] == pytest.approx(np.maximum(rare, 1 - rare).mean(), abs=0.05)


def test_the_other_protocols_for_several_targets(nodes):
    z, y = nodes
    part = torch.arange(300) % 3
    masks = {f"{name}_mask": (part == i) & (torch.arange(300) >= 10)
             for i, name in enumerate(("train", "val", "test"))}  # fmt: skip
    data = Data(num_nodes=300, **masks)
    for protocol in ("public", "public-raw"):
        assert linear_probe(z, y, protocol=protocol, data=data)["auc"] > 0.7
    for protocol in ("e1", "e2", "random-20-30-rest"):
        with pytest.raises(ValueError, match="is for one class a node, and y has several targets"):
            linear_probe(z, y, protocol=protocol)


def test_a_target_that_nobody_knows_in_a_part(nodes):
    z, y = nodes
    index = torch.arange(300)
    masks = [(index >= 10) & (index % 3 == i) for i in range(3)]
    splits = Splits("mine", *(mask[None] for mask in masks))
    y[masks[2].numpy(), 1] = np.nan
    with pytest.raises(ValueError, match="target 1 is unknown for all test nodes of split 0"):
        linear_probe(z, y, splits=splits)


def test_a_target_of_one_value_in_the_test_part_has_no_area(nodes):
    z, y = nodes
    index = torch.arange(300)
    masks = [(index >= 10) & (index % 3 == i) for i in range(3)]
    splits = Splits("mine", *(mask[None] for mask in masks))
    y[masks[2].numpy(), 3] = 0
    some = linear_probe(z, y, splits=splits)
    fewer = linear_probe(z, y[:, :3], splits=splits)
    assert some["auc"] == pytest.approx(fewer["auc"])
    y[masks[2].numpy()] = 0
    assert "auc" not in linear_probe(z, y, splits=splits)
