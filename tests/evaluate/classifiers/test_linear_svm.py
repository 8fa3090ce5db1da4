from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from gcl.evaluate.classifiers.linear_svm import fit_linear_svm


def problem(splits=3, n=40, d=6, classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(splits, n, d, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (splits, n), generator=generator)
    x[..., 0] += y
    return x, y


@pytest.mark.parametrize("classes", [2, 3])
def test_equal_to_scikit_learn(classes):
    x, y = problem(classes=classes)
    mask = torch.ones_like(y, dtype=torch.bool)
    mask[1, 30:] = False
    Cs = [10.0, 0.01, 1.0]
    fit = fit_linear_svm(x, y, mask, Cs=Cs)
    assert bool(fit.converged.all())
    for s in range(3):
        for k, C in enumerate(Cs):
            theirs = LinearSVC(C=C, dual=False, tol=1e-10, max_iter=100_000)
            theirs.fit(x[s][mask[s]].numpy(), y[s][mask[s]].numpy())
            mine = fit.weight[s, k].T.numpy(), fit.bias[s, k].numpy()
            mine = [part[1:] if classes == 2 else part for part in mine]
            np.testing.assert_allclose(mine[0], theirs.coef_, atol=1e-5)
            np.testing.assert_allclose(mine[1], theirs.intercept_, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_more_columns_than_rows(classes):
    x, y = problem(n=20, d=90, classes=classes)
    mask = torch.ones_like(y, dtype=torch.bool)
    mask[1, 15:] = False
    fit = fit_linear_svm(x, y, mask, Cs=[0.1])
    for s in range(3):
        theirs = LinearSVC(C=0.1, dual=False, tol=1e-10, max_iter=100_000)
        theirs.fit(x[s][mask[s]].numpy(), y[s][mask[s]].numpy())
        mine = fit.weight[s, 0].T.numpy()
        np.testing.assert_allclose(mine[1:] if classes == 2 else mine, theirs.coef_, atol=1e-5)


def test_wide_rows_and_separable_classes():
    x, y = problem(n=8, d=30)
    x[..., 0] += 20 * y
    fit = fit_linear_svm(x, y, Cs=[1000.0])
    assert bool(fit.converged.all())
    scores = x @ fit.weight[:, 0] + fit.bias[:, :1]
    assert torch.equal(scores.argmax(2), y)


def test_float32_rows_give_the_same():
    x, y = problem()
    exact, single = (fit_linear_svm(z, y, Cs=[1.0]).weight for z in (x, x.float()))
    assert torch.allclose(exact, single, atol=1e-4)


def test_gives_up_after_max_iter():
    x, y = problem()
    assert not bool(fit_linear_svm(x, y, Cs=[100.0], max_iter=1).converged.any())


def test_errors():
    x, y = problem()
    with pytest.raises(ValueError, match=r"expected x \[S, n, D\]"):
        fit_linear_svm(x[0], y[0], Cs=[1.0])
    with pytest.raises(ValueError, match="Cs must be positive"):
        fit_linear_svm(x, y, Cs=[0.0])
    with pytest.raises(ValueError, match="expected a mask"):
        fit_linear_svm(x, y, y[0] > 0, Cs=[1.0])
    with pytest.raises(ValueError, match="at least two classes"):
        fit_linear_svm(x, 0 * y, Cs=[1.0])
