"""Classifiers of many divisions at once, against scikit-learn on each of them."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gcl.evaluate.graph_fits import as_features, linear_scores


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_choose_as_scikit_learn_does(classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 60)
    x = rng.normal(size=(60, 4)) * [1, 10, 0.1, 1] + y[:, None]
    x[:, 3] = 5.0  # constant: stays as it is
    order = rng.permutation(60)
    splits = [(order[:40], order[40:]), (order[25:], order[:25])]
    found = list(linear_scores("lr", torch.tensor(x), torch.tensor(y), splits, [0.1, 10.0]))
    assert [scores.shape[1] for scores in found] == [20, 25]
    for (train, test), scores in zip(splits, found, strict=True):
        scaler = StandardScaler().fit(x[train])
        for C, of_rows in zip((0.1, 10.0), scores, strict=True):
            oracle = LogisticRegression(C=C, tol=1e-8, max_iter=1000)
            oracle.fit(scaler.transform(x[train]), y[train])
            chosen = of_rows.argmax(1).numpy()
            agree = (chosen == oracle.predict(scaler.transform(x[test]))).mean()
            assert agree >= 0.95


def test_rows_are_dense_doubles():
    x = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    for given in (torch.from_numpy(x), sp.csr_array(x)):
        rows = as_features(given)
        assert rows.dtype == torch.float64
        assert rows.tolist() == x.tolist()
