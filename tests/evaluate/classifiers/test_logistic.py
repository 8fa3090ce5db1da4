"""The batched regression against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from gcl.evaluate import fit_logistic

CS = [0.01, 1.0, 100.0]


def problem(n, width, classes, splits=2, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, (splits, n))
    y[:, :classes] = np.arange(classes)
    centres = rng.normal(size=(classes, width))
    x = centres[y] + 1.5 * rng.normal(size=(splits, n, width)) + 3.0
    return torch.tensor(x, dtype=dtype), torch.tensor(y)


def objective(x, y, weight, bias, c):
    """Mean loss with the penalty, as a NumPy double sum in float64."""
    scores = x.double().numpy() @ np.asarray(weight, np.float64) + np.asarray(bias, np.float64)
    total = 0.0
    for row, label in zip(scores, y.tolist(), strict=True):
        top = row.max()
        total += top + np.log(np.exp(row - top).sum()) - row[label]
    return total / len(y) + 0.5 * (np.asarray(weight, np.float64) ** 2).sum() / (c * len(y))


def reference(x, y, c, tol=1e-10):
    return LogisticRegression(C=c, tol=tol, max_iter=100_000).fit(x.numpy(), y.numpy())


@pytest.mark.parametrize(("n", "width", "classes"), [(60, 5, 4), (40, 3, 3), (20, 50, 3)])
def test_coefficients_equal_scikit_learn(n, width, classes):
    x, y = problem(n, width, classes)
    fit = fit_logistic(x, y, Cs=CS, tol=1e-14)
    assert bool(fit.converged.all())
    for s in range(2):
        for k, c in enumerate(CS):
            peer = reference(x[s], y[s], c)
            np.testing.assert_allclose(fit.weight[s, k].T, peer.coef_, rtol=1e-3, atol=2e-4)
            # The bias is free up to a constant; scikit-learn's sums to zero.
            bias = fit.bias[s, k] - fit.bias[s, k].mean()
            np.testing.assert_allclose(
                bias, peer.intercept_ - peer.intercept_.mean(), rtol=1e-3, atol=2e-3
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_default_tolerance_is_within_a_thousandth_of_the_optimum(dtype):
    x, y = problem(120, 30, 5, seed=1, dtype=dtype)
    fit = fit_logistic(x, y, Cs=CS)
    for s in range(2):
        for k, c in enumerate(CS):
            ours = objective(x[s], y[s], fit.weight[s, k], fit.bias[s, k], c)
            assert ours == pytest.approx(float(fit.objective[s, k]), rel=1e-4)
            peer = reference(x[s].double(), y[s], c)
            best = objective(x[s], y[s], peer.coef_.T, peer.intercept_, c)
            assert best * (1 - 1e-6) <= ours <= best * (1 + 1e-3)


def test_masked_rows_do_not_count():
    x, y = problem(50, 4, 3)
    mask = torch.ones(2, 50, dtype=torch.bool)
    mask[1, 30:] = False
    x[1, 30:] = 1e3
    both = fit_logistic(x, y, mask, Cs=[1.0], tol=1e-12)
    alone = reference(x[1, :30], y[1, :30], 1.0)
    np.testing.assert_allclose(both.weight[1, 0].T, alone.coef_, rtol=1e-3, atol=1e-4)


def test_a_problem_does_not_depend_on_its_company():
    x, y = problem(60, 6, 3, splits=3)
    together = fit_logistic(x, y, Cs=CS, tol=1e-12)
    alone = fit_logistic(x[1:2], y[1:2], Cs=CS[2:], tol=1e-12)
    torch.testing.assert_close(together.weight[1, 2], alone.weight[0, 0], rtol=1e-5, atol=1e-6)


def test_a_class_without_training_rows_is_left_out():
    x, y = problem(40, 4, 3)
    y[1][y[1] == 1] = 2
    fit = fit_logistic(x, y, Cs=[1.0], num_classes=4, tol=1e-12)
    assert fit.bias[0, 0].isfinite().tolist() == [True, True, True, False]
    assert fit.bias[1, 0].isfinite().tolist() == [True, False, True, False]
    assert bool(fit.weight.isfinite().all())
    assert float(fit.weight[1, 0, :, 1].abs().max()) == 0
    peer = reference(x[1], y[1], 1.0)  # binary here: one row of differences
    both = fit_logistic(x[1:2], (y[1:2] > 0).long(), Cs=[1.0], tol=1e-12)
    torch.testing.assert_close(fit.weight[1, 0][:, [0, 2]], both.weight[0, 0], rtol=1e-5, atol=1e-6)
    scores = x[1] @ fit.weight[1, 0] + fit.bias[1, 0]
    assert (scores.argmax(1).numpy() == peer.predict(x[1].numpy())).mean() > 0.9


def test_one_class_in_a_split_predicts_it():
    x = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    fit = fit_logistic(x, torch.ones(1, 5, dtype=torch.long), Cs=[1.0], num_classes=3)
    assert ((x[0] @ fit.weight[0, 0] + fit.bias[0, 0]).argmax(1) == 1).all()


def test_degenerate_columns_and_scales():
    x, y = problem(40, 4, 3, dtype=torch.float32)
    flat = torch.cat([x, torch.full((2, 40, 2), 7.0), 1e-6 * x], 2)
    fit = fit_logistic(flat, y, Cs=CS, tol=1e-8)
    assert bool(fit.weight.isfinite().all())
    plain = fit_logistic(x, y, Cs=CS, tol=1e-8)
    torch.testing.assert_close(fit.objective, plain.objective, rtol=1e-4, atol=1e-6)
    constant = fit_logistic(torch.ones(1, 6, 2), torch.tensor([[0, 0, 0, 0, 1, 1]]), Cs=[1.0])
    prior = torch.softmax(constant.bias[0, 0] + constant.weight[0, 0].sum(0), 0)
    torch.testing.assert_close(prior, torch.tensor([2 / 3, 1 / 3]), rtol=0.02, atol=0)


def test_separable_and_hardly_penalised_still_ends():
    x = torch.tensor([[[-1.0], [-0.5], [0.5], [1.0]]])
    fit = fit_logistic(x, torch.tensor([[0, 0, 1, 1]]), Cs=[1e6])
    assert bool(fit.converged.all())
    assert float(fit.objective) < 1e-3


def test_gives_up_with_a_warning():
    x, y = problem(60, 5, 3)
    with pytest.warns(RuntimeWarning, match="did not reach"):
        fit = fit_logistic(x, y, Cs=[100.0], tol=1e-12, max_iter=2)
    assert not bool(fit.converged.any())
    assert fit.iterations.tolist() == [[2], [2]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(4, 2)}, "expected x"),
        ({"y": torch.zeros(1, 3, dtype=torch.long)}, "expected x"),
        ({"Cs": [0.0]}, "positive"),
        ({"Cs": []}, "positive"),
        ({"mask": torch.zeros(1, 4, dtype=torch.bool)}, "keeps a row"),
        ({"num_classes": 1}, "classes 0 to 0"),
    ],
)
def test_mistakes(change, message):
    arguments = {"x": torch.zeros(1, 4, 2), "y": torch.tensor([[0, 1, 0, 1]]), "Cs": [1.0]}
    with pytest.raises(ValueError, match=message):
        fit_logistic(**{**arguments, **change})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    x, y = problem(60, 5, 3)
    there = fit_logistic(x.cuda(), y.cuda(), Cs=CS, tol=1e-12)
    torch.testing.assert_close(
        there.weight.cpu(), fit_logistic(x, y, Cs=CS, tol=1e-12).weight, rtol=1e-4, atol=1e-5
    )


def test_eigenvectors_that_do_not_settle_in_float32(monkeypatch):
    x, y = torch.randn(2, 60, 5), torch.arange(60).remainder(3).expand(2, 60)
    expected = fit_logistic(x, y, Cs=[1.0], num_classes=3)
    eigh = torch.linalg.eigh

    def unsettled(matrix):
        if matrix.dtype == torch.float32:
            raise torch.linalg.LinAlgError("The algorithm failed to converge")
        return eigh(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", unsettled)
    fit = fit_logistic(x, y, Cs=[1.0], num_classes=3)
    torch.testing.assert_close(fit.weight, expected.weight, atol=1e-3, rtol=1e-3)


def test_two_classes_are_penalised_as_by_scikit_learn():
    torch.manual_seed(0)
    x, y = torch.randn(60, 4, dtype=torch.float64), torch.randint(2, (60,))
    x[:, 0] += y
    for c in (0.1, 1.0, 10.0):
        fit = fit_logistic(x[None], y[None], Cs=[c], tol=1e-12)
        theirs = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(x.numpy(), y.numpy())
        weight, bias = fit.weight[0, 0], fit.bias[0, 0]
        difference = (weight[:, 1] - weight[:, 0]).numpy()
        # Its L-BFGS stops at a relative 1e-14 of the objective: about 1e-7 of the weights.
        np.testing.assert_allclose(difference, theirs.coef_[0], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(float(bias[1] - bias[0]), theirs.intercept_[0], atol=1e-6)
        # A third class that no row has changes nothing.
        wide = fit_logistic(x[None], y[None], Cs=[c], tol=1e-12, num_classes=3)
        assert torch.allclose(wide.weight[0, 0, :, :2], weight, atol=1e-6)
