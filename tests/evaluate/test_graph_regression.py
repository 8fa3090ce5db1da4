"""Regression of graphs, against the protocol written with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from gcl.evaluate import RegressionProtocol, graph_regression

NAN = float("nan")


def numbers(n=50, d=5):
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(n, d, generator=generator)
    noise = torch.randn(n, generator=generator)
    return z, 40 + 3 * z[:, 0] - z[:, 1].square() + noise


def by_hand(model, grid, z, y, folds, seed):
    found = []
    for train, test in KFold(folds, shuffle=True, random_state=seed).split(z):
        search = GridSearchCV(
            model,
            grid,
            cv=KFold(5, shuffle=True, random_state=seed),
            scoring="neg_mean_squared_error",
        ).fit(z[train], y[train])
        guess = search.predict(z[test])
        found.append(
            (
                mean_squared_error(y[test], guess) ** 0.5,
                mean_absolute_error(y[test], guess),
                r2_score(y[test], guess),
            )
        )
    return np.array(found)


MODELS = {
    "ridge": (make_pipeline(StandardScaler(), Ridge()), "ridge__alpha"),
    "svr": (
        TransformedTargetRegressor(
            make_pipeline(StandardScaler(), SVR()), transformer=StandardScaler()
        ),
        "regressor__svr__C",
    ),
}


@pytest.mark.parametrize("regressor", MODELS)
def test_errors_equal_the_protocol_written_with_scikit_learn(regressor):
    z, y = numbers()
    protocol = RegressionProtocol("mine", regressor, folds=4, strengths=(0.1, 10.0, 100.0))
    model, name = MODELS[regressor]
    expected = by_hand(
        model, {name: [0.1, 10.0, 100.0]}, z.double().numpy(), y.double().numpy(), 4, 3
    )
    result = graph_regression(z, y, protocol=protocol, seeds=1, seed=3)
    for at, key in enumerate(("rmse", "mae", "r2")):
        assert result.per_run[key] == pytest.approx(expected[:, at], rel=1e-6)
        assert result[key] == pytest.approx(expected[:, at].mean(), rel=1e-6)
        assert result[f"{key}_std"] == pytest.approx(expected[:, at].std(), rel=1e-5)


def test_divisions_and_targets_are_averaged():
    z, y = numbers()
    protocol = RegressionProtocol("mine", "ridge", folds=4, runs=3, strengths=(1.0,))
    other = z[:, 2] + z[:, 3]
    other[::5] = NAN
    both = graph_regression(z, torch.stack([y, other], 1), protocol=protocol)
    first = graph_regression(z, y, protocol=protocol)
    kept = ~other.isnan()
    second = graph_regression(z[kept], other[kept], protocol=protocol)
    for key in ("rmse", "mae", "r2"):
        assert len(both.per_run[key]) == 3
        assert both[key] == pytest.approx((first[key] + second[key]) / 2)
    assert "for each of 2 targets" in both.protocol


def test_the_protocol_is_told():
    z, y = numbers()
    told = graph_regression(z, y[:, None], seeds=1).protocol
    assert told == (
        "10-fold-ridge: 1 division into 10 folds, standardised columns, ridge, alpha of 8 by "
        "5-fold CV inside the training folds"
    )


def test_noise_is_no_better_than_the_mean():
    _, y = numbers(200)
    found = graph_regression(torch.randn(200, 4), y, seeds=1)
    assert -0.3 < found["r2"] < 0.1
    assert found["rmse"] == pytest.approx(float(y.std()), rel=0.1)


def test_bad_input_is_named():
    z, y = numbers()
    with pytest.raises(TypeError, match="got None; pass y"):
        graph_regression(z, None)
    with pytest.raises(TypeError, match="real numbers, got <U1"):
        graph_regression(z, ["a"] * 50)
    with pytest.raises(ValueError, match=r"shape \[50\] or \[50, T\], .* got \[49\]"):
        graph_regression(z, y[1:])
    with pytest.raises(ValueError, match="write NaN where it is unknown"):
        graph_regression(z, torch.where(y > 40, y, torch.inf))
    with pytest.raises(ValueError, match="target 0 is 2 for every graph"):
        graph_regression(z, 0 * y + 2)
    with pytest.raises(ValueError, match="target 0 is known of 12 graphs, and 10 folds need 20"):
        graph_regression(z[:12], y[:12])
    with pytest.raises(ValueError, match="unknown protocol 'ridge'; choose one of 10-fold-ridge"):
        graph_regression(z, y, protocol="ridge")
    with pytest.raises(ValueError, match="regressor must be one of"):
        RegressionProtocol("mine", "lasso")
