"""The lines of GRACE's script, run by scikit-learn on the same parts."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import OneHotEncoder, normalize

from gcl.evaluate import PROTOCOLS, linear_probe, random_splits
from gcl.evaluate.classifiers.one_vs_rest import fit_one_vs_rest


def nodes(classes, size=300):
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, size)
    z = rng.normal(size=(classes, 12))[y] + 1.6 * rng.normal(size=(size, 12))
    return z.astype(np.float32), y


def by_the_script(z, y, train, test, Cs):
    hot = OneHotEncoder(categories="auto").fit_transform(y.reshape(-1, 1)).toarray().astype(bool)
    x = normalize(z, norm="l2")
    search = GridSearchCV(
        estimator=OneVsRestClassifier(LogisticRegression(solver="liblinear")),
        param_grid={"estimator__C": Cs},
        cv=5,
        verbose=0,
    )
    search.fit(x[train], hot[train])
    probability = search.predict_proba(x[test])
    return probability.argmax(1), probability, search.best_params_["estimator__C"]


@pytest.mark.filterwarnings("ignore:Label not")
@pytest.mark.parametrize("classes", [2, 4])
def test_equal_to_the_script(classes):
    z, y = nodes(classes)
    splits = random_splits(300, 0.2, 0.0, num_splits=2, seed=1)
    Cs = list(PROTOCOLS["e1"].Cs[::3])
    found = fit_one_vs_rest(
        torch.from_numpy(z), torch.from_numpy(y), splits.train, Cs, num_classes=classes
    )
    whole = linear_probe(z, y, protocol="e1", splits=splits, Cs=Cs)
    for s, (probability, C) in enumerate(found):
        train, test = splits.train[s].numpy(), splits.test[s].numpy()
        guess, expected, chosen = by_the_script(z, y, train, test, Cs)
        assert C == chosen == whole.per_run["C"][s]
        np.testing.assert_array_equal(probability[test], expected)
        assert whole.per_run["accuracy"][s] == (guess == y[test]).mean()


def test_sparse_rows_and_a_class_nobody_trains_on():
    z, y = nodes(3)
    z, y[7] = z * (z > 0), 3
    splits = random_splits(300, 0.2, 0.0, num_splits=2, seed=1)
    assert not splits.train[:, 7].any()
    forms = [
        list(fit_one_vs_rest(x, torch.from_numpy(y), splits.train, [1.0, 8.0], num_classes=4))
        for x in (torch.from_numpy(z), sp.csr_array(z))
    ]
    for (dense, C), (sparse, other) in zip(*forms, strict=True):
        assert other == C
        np.testing.assert_allclose(dense, sparse, atol=1e-4)
        assert (dense[:, 3] == 0).all()


def test_parts_that_have_no_folds():
    z, y = (torch.from_numpy(part) for part in nodes(2))
    few = torch.zeros(1, 300, dtype=torch.bool)
    few[0, :4] = True
    with pytest.raises(ValueError, match="needs 5 training nodes, of two classes, got 4 of"):
        list(fit_one_vs_rest(z, y, few, [1.0], num_classes=2))
    with pytest.raises(ValueError, match="of two classes, got 300 of 1"):
        list(fit_one_vs_rest(z, 0 * y, few | True, [1.0], num_classes=2))


def test_nodes_sorted_by_class_are_warned_of():
    z, y = (torch.from_numpy(part) for part in nodes(3))
    everyone = torch.ones(1, 300, dtype=torch.bool)
    with pytest.warns(RuntimeWarning, match="the nodes are sorted by class"):
        list(fit_one_vs_rest(z, y.sort().values, everyone, [1.0], num_classes=3))
