"""Graph classification against its protocol written with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from gcl.evaluate import GraphProtocol, graph_classification, semi_supervised

SMALL = GraphProtocol("mine", "svm", folds=3, runs=2, Cs=(0.01, 1.0))


def clouds(n=45, d=4, classes=3, gap=1.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    z = torch.randn(n, d, generator=generator)
    z[:, 0] += gap * y
    return z, y


@pytest.mark.parametrize("label_rate", [1.0, 0.4])
def test_linear_svm_equals_the_protocol_written_with_scikit_learn(label_rate):
    z, y = (part.numpy() for part in clouds())
    accuracy, macro = [], []
    random = np.random.default_rng(5)
    for train, test in StratifiedKFold(3, shuffle=True, random_state=5).split(z, y):
        if label_rate < 1:
            some = [random.permutation(train[y[train] == c])[:4] for c in range(3)]
            train = np.sort(np.concatenate(some))
        folds = StratifiedKFold(min(5, np.bincount(y[train]).min()), shuffle=True, random_state=5)
        classifier = make_pipeline(
            StandardScaler(), LinearSVC(dual=False, tol=1e-8, max_iter=10000)
        )
        search = GridSearchCV(classifier, {"linearsvc__C": [0.01, 1.0]}, cv=folds)
        predicted = search.fit(z[train], y[train]).predict(z[test])
        accuracy.append((predicted == y[test]).mean())
        macro.append(f1_score(y[test], predicted, average="macro"))
    if label_rate < 1:
        result = semi_supervised(z, y, label_rate=label_rate, protocol=SMALL, seeds=1, seed=5)
    else:
        result = graph_classification(z, y, protocol=SMALL, seeds=1, seed=5)
    assert result.per_run["accuracy"] == pytest.approx(accuracy)
    assert result["accuracy"] == pytest.approx(np.mean(accuracy))
    assert result["accuracy_std"] == pytest.approx(np.std(accuracy))
    assert result["macro_f1"] == pytest.approx(np.mean(macro))


@pytest.mark.parametrize("classifier", ["rbf", "rbf-raw", "kernel"])
def test_kernels_equal_scikit_learn(classifier):
    z, y = (part.numpy() for part in clouds())
    protocol = GraphProtocol("mine", classifier, folds=3, Cs=(0.1, 10.0))
    result = graph_classification(z, y, protocol=protocol, seeds=1)
    rows = z / np.linalg.norm(z, axis=1, keepdims=True) if classifier == "kernel" else z
    accuracy = []
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(z, y):
        base, name = (SVC(kernel="linear"), "C")
        if classifier == "rbf":
            base, name = make_pipeline(StandardScaler(), SVC()), "svc__C"
        if classifier == "rbf-raw":
            base = SVC()
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        search = GridSearchCV(base, {name: [0.1, 10.0]}, cv=folds).fit(rows[train], y[train])
        accuracy.append(search.score(rows[test], y[test]))
    assert result.per_run["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("classifier", ["svm", "lr", "rbf", "rbf-raw", "kernel"])
def test_separates_what_can_be_separated_and_nothing_else(classifier):
    protocol = GraphProtocol("mine", classifier, folds=3, runs=2, Cs=(1.0, 10.0))
    z, y = clouds(classes=2, gap=20)
    z -= 10
    assert graph_classification(z, y, protocol=protocol)["accuracy"] > 0.95
    shuffled = y[torch.randperm(45, generator=torch.Generator().manual_seed(0))]
    noise = torch.randn(45, 4, generator=torch.Generator().manual_seed(1))
    assert graph_classification(noise, shuffled, protocol=protocol)["accuracy"] < 0.75


def test_means_and_deviations_over_divisions():
    z, y = clouds()
    both = graph_classification(z, y, protocol=SMALL, seed=3)
    single = [graph_classification(z, y, protocol=SMALL, seeds=1, seed=s) for s in (3, 4)]
    assert both.per_run["accuracy"] == pytest.approx([r["accuracy"] for r in single])
    assert both["accuracy_std"] == pytest.approx(np.std([r["accuracy"] for r in single]))
    assert both.protocol.startswith("mine: 2 divisions into 3 stratified folds")
    assert single[0].protocol.startswith("mine: 1 division into")


def test_seeded_and_no_global_generator():
    z, y = clouds()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = (graph_classification(z, y, protocol=SMALL) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_and_matrices_of_any_kind():
    z, y = clouds()
    expected = graph_classification(z, y, protocol=SMALL, seeds=1)
    for rows in (z.numpy(), sp.csr_array(z.numpy()), z.double()):
        found = graph_classification(rows, 10 * y + 3, protocol=SMALL, seeds=1)
        assert found["accuracy"] == pytest.approx(expected["accuracy"])


def test_constant_columns_do_no_harm():
    z, y = clouds()
    wide = torch.cat([z, torch.full((45, 1), 1e6), torch.zeros(45, 1)], 1)
    expected = graph_classification(z, y, protocol=SMALL, seeds=1)
    found = graph_classification(wide, y, protocol=SMALL, seeds=1)
    assert found["accuracy"] == pytest.approx(expected["accuracy"])


def test_few_labels_keep_two_of_every_class():
    z, y = clouds(gap=20)
    result = semi_supervised(z, y, label_rate=0.01, protocol=SMALL, seeds=1)
    assert "1 % of the training labels" in result.protocol
    assert result["accuracy"] > 0.6


def test_errors():
    z, y = clouds()
    with pytest.raises(ValueError, match="unknown protocol 'e1'; choose one of 10-fold-svm"):
        graph_classification(z, y, protocol="e1")
    with pytest.raises(ValueError, match="need 20 graphs of every class, and one has 15"):
        graph_classification(z, y, protocol=GraphProtocol("mine", "svm", folds=20))
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        graph_classification(z, y, protocol=SMALL, seeds=0)
    with pytest.raises(ValueError, match="Cs must be positive"):
        graph_classification(z, y, protocol=SMALL, Cs=[0.0])
    with pytest.raises(ValueError, match="45 labels"):
        graph_classification(z, y[:9], protocol=SMALL)
    with pytest.raises(TypeError, match="got None"):
        graph_classification(z, None, protocol=SMALL)
    with pytest.raises(ValueError, match=r"label_rate must lie in \(0, 1\], got 0"):
        semi_supervised(z, y, label_rate=0)


def test_labels_of_graphs_may_be_negative():
    x, y = torch.randn(40, 3), torch.arange(40) % 2
    x[:, 0] += 3 * y
    one, other = (graph_classification(x, labels, seeds=1) for labels in (y, 2 * y - 1))
    assert one["accuracy"] == other["accuracy"]
