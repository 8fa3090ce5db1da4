"""Numbers of whole graphs from their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch import Tensor

from gcl.checks import SKLEARN_SEEDS, as_strengths, check_count, check_seed
from gcl.evaluate.graph_fits import as_features
from gcl.evaluate.inputs import as_matrix
from gcl.evaluate.protocols import INNER, REGRESSION_PROTOCOLS, RegressionProtocol
from gcl.evaluate.result import Result

SCORES = {"rmse": root_mean_squared_error, "mae": mean_absolute_error, "r2": r2_score}


def graph_regression(
    z: Any,
    y: Any,
    *,
    protocol: str | RegressionProtocol = "10-fold-ridge",
    seeds: int | None = None,
    strengths: Sequence[float] | None = None,
    seed: int = 0,
) -> Result:
    """Errors of a regression on frozen graph embeddings, by cross-validation.

    | protocol | regression |
    | --- | --- |
    | `10-fold-ridge` | ridge: `min_w sum_i (y_i - w^T z_i - b)^2 + alpha |w|^2` |
    | `10-fold-svr` | SVR, Gaussian kernel, on standardised y |

    The graphs are divided into 10 folds, each is the test part once; the strength is the one of the
    least squared error in 5-fold cross-validation inside the other nine, and the regression is
    trained on all of them. Columns are standardised by the training part. Predicting the mean has
    an R2 of 0.

    Args:
        z: Embeddings `[G, D]`: a tensor, an array or a SciPy matrix.
        y: Numbers `[G]`, or several targets `[G, T]`, NaN where unknown; each target has a
            regression of its own, on the graphs for which it is known.
        protocol: A name of the table, or a `RegressionProtocol` of your own.
        seeds: Random divisions into folds; the protocol's 5 if None.
        strengths: To choose from in place of the protocol's; `alpha` of ridge, `C` of SVR.
        seed: Seed of the first division; no global generator is touched.

    Returns:
        `rmse`, `mae` (in the unit of y) and `r2` (1 is perfect), means over targets and folds, and
        their `_std` over divisions (over folds if there is one division); `per_run` has the single
        divisions (folds).

    Raises:
        TypeError: if y is missing or holds no numbers, or z is no matrix.
        ValueError: if y does not fit, is infinite or constant, or a target is known of too few
            graphs for the folds.

    Example:
        >>> import torch
        >>> z = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
        >>> graph_regression(z, 3 * z[:, 0] + 1, seeds=1)["r2"] > 0.99
        True
    """
    table = _look_up(protocol)
    alphas = as_strengths(
        "graph_regression", "strengths", table.strengths if strengths is None else strengths
    )
    runs = table.runs if seeds is None else seeds
    check_count("graph_regression", seeds=runs)
    check_seed("graph_regression", seed, least=0, below=SKLEARN_SEEDS + 1 - runs)
    x = as_features(as_matrix(z, "graph_regression")).cpu().numpy()
    targets = _as_numbers(y, len(x), table.folds)
    found = np.empty((runs, table.folds, targets.shape[1], len(SCORES)))
    for at, values in enumerate(targets.T):
        known = ~np.isnan(values)
        for run in range(runs):
            found[run, :, at] = _folds(table, x[known], values[known], alphas, seed + run)
    by_fold = found.mean(2)
    scores = by_fold.mean(1) if runs > 1 else by_fold[0]
    return Result.from_runs(
        {name: scores[:, at].tolist() for at, name in enumerate(SCORES)},
        table.describe(runs, len(alphas), targets.shape[1]),
    )


def _folds(
    table: RegressionProtocol, x: np.ndarray, y: np.ndarray, strengths: list[float], seed: int
) -> np.ndarray:
    """The scores of one division, `[folds, 3]`."""
    found = []
    for train, test in KFold(table.folds, shuffle=True, random_state=seed).split(x):
        inner = KFold(INNER, shuffle=True, random_state=seed)
        predict = _ridge if table.regressor == "ridge" else _svr
        guess = predict(x[train], y[train], x[test], strengths, inner)
        found.append([score(y[test], guess) for score in SCORES.values()])
    return np.array(found)


def _ridge(
    x: np.ndarray, y: np.ndarray, test: np.ndarray, alphas: list[float], inner: KFold
) -> np.ndarray:
    errors = np.zeros(len(alphas))
    for a, b in inner.split(x):
        errors += np.square(_ridges(x[a], y[a], x[b], alphas) - y[b]).mean(1)
    return _ridges(x, y, test, [alphas[int(errors.argmin())]])[0]


def _ridges(x: np.ndarray, y: np.ndarray, test: np.ndarray, alphas: list[float]) -> np.ndarray:
    """Predictions for every alpha from one singular value decomposition, `[K, test]`."""
    scale = StandardScaler().fit(x)
    left, s, right = np.linalg.svd(scale.transform(x), full_matrices=False)
    shrunk = s / (np.square(s) + np.array(alphas)[:, None]) * (left.T @ (y - y.mean()))
    return shrunk @ (scale.transform(test) @ right.T).T + y.mean()


def _svr(
    x: np.ndarray, y: np.ndarray, test: np.ndarray, Cs: list[float], inner: KFold
) -> np.ndarray:
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SVR()), transformer=StandardScaler()
    )
    search = GridSearchCV(
        model, {"regressor__svr__C": Cs}, cv=inner, scoring="neg_mean_squared_error"
    )
    predicted: np.ndarray = search.fit(x, y).predict(test)
    return predicted


def _as_numbers(y: Any, rows: int, folds: int) -> np.ndarray:
    """Targets as float64 `[G, T]`, NaN where unknown."""
    if y is None:
        raise TypeError("graph_regression: expected a number a graph, got None; pass y.")
    array = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"graph_regression: y must hold real numbers, got {array.dtype}.")
    array = array.astype(np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != rows or not array.shape[1]:
        raise ValueError(
            f"graph_regression: expected y of shape [{rows}] or [{rows}, T], a row an embedding, "
            f"got {list(np.shape(y))}."
        )
    if np.isinf(array).any():
        raise ValueError("graph_regression: y holds infinity; write NaN where it is unknown.")
    least = max(2 * folds, 3)  # two graphs a test part, without which R2 means nothing
    for at, column in enumerate(array.T):
        known = column[~np.isnan(column)]
        if len(known) < least or len(known) - -(-len(known) // folds) < INNER:
            raise ValueError(
                f"graph_regression: target {at} is known of {len(known)} graphs, and {folds} folds "
                f"need {least}; use a RegressionProtocol with fewer folds, or leave it out."
            )
        if np.ptp(known) == 0:
            raise ValueError(
                f"graph_regression: target {at} is {known[0]:g} for every graph; leave it out."
            )
    return array


def _look_up(protocol: str | RegressionProtocol) -> RegressionProtocol:
    if isinstance(protocol, RegressionProtocol):
        return protocol
    if not isinstance(protocol, str) or protocol not in REGRESSION_PROTOCOLS:
        raise ValueError(
            f"graph_regression: unknown protocol {protocol!r}; choose one of "
            f"{', '.join(REGRESSION_PROTOCOLS)}."
        )
    return REGRESSION_PROTOCOLS[protocol]
