"""The classifier of GRACE's evaluation, as its script has it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import normalize
from torch import Tensor

from gcl.evaluate.inputs import Matrix

FOLDS = 5


def fit_one_vs_rest(
    x: Matrix, y: Tensor, train: Tensor, Cs: Sequence[float], *, num_classes: int, l2: bool = True
) -> Iterator[tuple[np.ndarray, float]]:
    """A logistic regression a class by liblinear, their common C by cross-validation.

    The labels are given as one-hot rows, as there. So scikit-learn chooses C by the share of the
    nodes for which every class is decided rightly, each at a probability of one half, and takes the
    folds in the order of the nodes, whatever their classes. Nothing in it is random.

    Args:
        x: Rows, `[N, D]`.
        y: Classes from 0, `[N]`.
        train: Training masks, `[S, N]`.
        Cs: Strengths to choose from.
        num_classes: C.
        l2: Whether rows are scaled to length one.

    Returns:
        For each split the probabilities `[N, C]`, which need not sum to one, and the strength.

    Raises:
        ValueError: a training part of fewer than five nodes or of one class.
    """
    rows: Any = x.cpu().numpy() if isinstance(x, Tensor) else sp.csr_matrix(x)
    if l2:
        # Squares of numbers above 1e19 are beyond float32.
        large = abs(rows).max() > 1e19 if rows.size else False
        rows = normalize(rows.astype(np.float64) if large else rows, norm="l2")
    codes = y.numpy()
    hot = codes[:, None] == np.arange(num_classes)
    for mask in train.numpy():
        check_folds(codes[mask])
        _warn_of_order(codes[mask])
        search = GridSearchCV(
            OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=0)),
            {"estimator__C": list(Cs)},
            cv=FOLDS,
        )
        with warnings.catch_warnings():
            # A fold may lack a rare class, and two classes are two targets here.
            warnings.simplefilter("ignore")
            search.fit(rows[mask], hot[mask])
        yield search.predict_proba(rows), float(search.best_params_["estimator__C"])


def check_folds(y: np.ndarray) -> None:
    """Raises ValueError where the classes of a training part leave nothing to choose C by."""
    classes = 1 + np.count_nonzero(np.diff(np.sort(y)))
    if classes < 2 or len(y) < FOLDS:
        raise ValueError(
            f"linear_probe: {FOLDS}-fold cross-validation needs {FOLDS} training nodes, of two "
            f"classes, got {len(y)} of {classes}; use a larger training part."
        )


def _warn_of_order(y: np.ndarray) -> None:
    classes = 1 + np.count_nonzero(np.diff(np.sort(y)))
    if len(y) > classes == 1 + np.count_nonzero(np.diff(y)):
        warnings.warn(
            "linear_probe: the nodes are sorted by class, and the folds that choose C are taken in "
            "the order of the nodes, so that each lacks classes; shuffle the nodes, or use another "
            "protocol than e1.",
            RuntimeWarning,
            stacklevel=2,
        )
