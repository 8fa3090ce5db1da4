"""Several targets a graph, against the protocol written with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gcl.evaluate import GraphProtocol, graph_classification, semi_supervised

NAN = float("nan")
CLASSIFIERS = {
    "svm": (LinearSVC(dual=False, tol=1e-9, max_iter=100000), "linearsvc__C"),
    "lr": (LogisticRegression(tol=1e-8, max_iter=1000), "logisticregression__C"),
}


def targets(n=50, unknown=True):
    """Three targets of one latent number each, in part unknown, the last one rare."""
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(n, 5, generator=generator)
    noise = torch.randn(n, 3, generator=generator)
    y = ((z[:, :3] + noise) > torch.tensor([0.0, 0.3, 0.7])).float()
    if unknown:
        y[torch.rand(n, 3, generator=generator) < 0.15] = NAN
    return z, y


@pytest.mark.parametrize("classifier", ["svm", pytest.param("lr", marks=pytest.mark.slow)])
def test_means_equal_the_protocol_written_with_scikit_learn(classifier):
    z, y = targets()
    protocol = GraphProtocol("mine", classifier, folds=3, Cs=(0.01, 1.0))
    result = graph_classification(z, y, protocol=protocol, seeds=1, seed=4)
    rows, truth = z.double().numpy(), y.numpy()
    auc, precision, accuracy = [], [], []
    model, name = CLASSIFIERS[classifier]
    for train, test in KFold(3, shuffle=True, random_state=4).split(rows):
        found = []
        for t in range(3):
            a, b = (part[~np.isnan(truth[part, t])] for part in (train, test))
            search = GridSearchCV(
                make_pipeline(StandardScaler(), model),
                {name: [0.01, 1.0]},
                cv=StratifiedKFold(
                    min(5, np.bincount(truth[a, t].astype(int)).min()),
                    shuffle=True,
                    random_state=4,
                ),
                scoring="roc_auc",
            ).fit(rows[a], truth[a, t])
            score, known = search.decision_function(rows[b]), truth[b, t]
            found.append(
                (
                    roc_auc_score(known, score),
                    average_precision_score(known, score),
                    ((score > 0) == known).mean(),
                )
            )
        for values, column in zip(
            (auc, precision, accuracy), zip(*found, strict=True), strict=True
        ):
            values.append(np.mean(column))
    assert result.per_run["auc"] == pytest.approx(auc, abs=1e-6)
    assert result.per_run["average_precision"] == pytest.approx(precision, abs=1e-6)
    assert result.per_run["accuracy"] == pytest.approx(accuracy)
    assert result["auc"] == pytest.approx(np.mean(auc), abs=1e-6)
    assert "for each of 3 targets" in result.protocol
    assert "AUC in 5-fold CV" in result.protocol


def test_minus_one_is_unknown_too():
    z, y = targets()
    coded = torch.where(y.isnan(), -1, y).long()
    protocol = GraphProtocol("mine", "svm", folds=3, runs=2, Cs=(0.1,))
    first = graph_classification(z, y, protocol=protocol)
    assert first == graph_classification(z, coded, protocol=protocol)
    assert len(first.per_run["auc"]) == 2


def test_a_target_counts_where_it_has_both_values():
    """A target that is unknown in one fold, and of one kind in another, leaves these to others."""
    z, y = targets(unknown=False)
    protocol = GraphProtocol("mine", "svm", folds=4, Cs=(0.1,))
    first, second, *_ = (t for _, t in KFold(4, shuffle=True, random_state=0).split(np.arange(50)))
    holed = y[:, 0].clone()
    holed[first] = NAN
    holed[second] = torch.where(holed[second] == 0, NAN, holed[second])
    other = graph_classification(z, y[:, [1, 1]], protocol=protocol, seeds=1).per_run["auc"]
    both = graph_classification(
        z, torch.stack([y[:, 1], holed], 1), protocol=protocol, seeds=1
    ).per_run["auc"]
    assert both[:2] == pytest.approx(other[:2])
    assert both[2:] != pytest.approx(other[2:])


def test_what_cannot_be_measured_is_named():
    z, y = targets()
    rare = torch.zeros(50)
    rare[7] = 1
    with pytest.raises(ValueError, match="target 1 has both values in no fold"):
        graph_classification(z, torch.stack([y[:, 0], rare], 1), seeds=1)
    with pytest.raises(ValueError, match=r"target 1 of y is 0 for every graph"):
        graph_classification(z, torch.stack([y[:, 0], 0 * rare], 1), seeds=1)
    with pytest.raises(ValueError, match="no part for several targets; take 10-fold-svm"):
        graph_classification(z, y, protocol="10-fold-rbf", seeds=1)
    with pytest.raises(ValueError, match="6 graphs make no 10 folds"):
        graph_classification(z[:6], torch.tensor([[0, 1], [1, 1], [0, 0]] * 2), seeds=1)
    with pytest.raises(ValueError, match="several labels at once are for graph_classification"):
        semi_supervised(z, y)
    with pytest.raises(ValueError, match="one class a graph"):
        graph_classification(z, 2 * y, seeds=1)


def test_chance_and_certainty():
    z, y = targets(200, unknown=False)
    protocol = GraphProtocol("mine", "svm", folds=3, Cs=(0.1,))
    sure = graph_classification(torch.cat([z, 9 * y], 1), y, protocol=protocol, seeds=1)
    noise = torch.randn(200, 4, generator=torch.Generator().manual_seed(5))
    chance = graph_classification(noise, y, protocol=protocol, seeds=1)
    assert sure["auc"] > 0.99
    assert abs(chance["auc"] - 0.5) < 0.15
