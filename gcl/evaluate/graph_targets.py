"""Several yes-or-no targets a graph, some of which may be unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor

from gcl.evaluate.graph_fits import as_features, linear_scores
from gcl.evaluate.inputs import Matrix
from gcl.evaluate.protocols import INNER, GraphProtocol
from gcl.evaluate.result import Result
from gcl.evaluate.scores import binary_ranking

Split = tuple[np.ndarray, np.ndarray]
SCORES = ("auc", "average_precision", "accuracy")


def classify_targets(
    where: str,
    x: Matrix,
    y: Tensor,
    table: GraphProtocol,
    runs: int,
    Cs: Sequence[float],
    seed: int,
) -> Result:
    """A linear classifier a target, by cross-validation; see `graph_classification`.

    Args:
        where: who asks.
        x: Rows, `[G, D]`.
        y: Targets `[G, T]`, 0 or 1, and -1 where unknown.
        table: The protocol.
        runs: Divisions into folds.
        Cs: Strengths to choose from.
        seed: Of the first division.

    Raises:
        ValueError: a protocol of no linear classifier; fewer graphs than folds; a target of too few
            known values.
    """
    if table.classifier not in ("svm", "lr"):
        raise ValueError(
            f"{where}: {table.name} has no part for several targets; take 10-fold-svm or "
            "10-fold-lr, or one column."
        )
    if len(y) < table.folds:
        raise ValueError(
            f"{where}: {len(y)} graphs make no {table.folds} folds; use a GraphProtocol with fewer."
        )
    rows, truth = as_features(x), y.numpy()
    found = np.empty((runs, table.folds, y.shape[1], len(SCORES)))
    for run in range(runs):
        folds = list(KFold(table.folds, shuffle=True, random_state=seed + run).split(truth))
        for target in range(y.shape[1]):
            found[run, :, target] = _one(
                table.classifier, rows, truth[:, target], folds, list(Cs), seed + run
            )
    seen = ~np.isnan(found[..., 0])
    if not seen.any((0, 1)).all():
        target = int(seen.any((0, 1)).argmin())
        raise ValueError(
            f"{where}: target {target} has both values in no fold, or fewer than two graphs of one "
            "to train on; leave that column out, or use a GraphProtocol with fewer folds."
        )
    if not seen.any((1, 2)).all():
        raise ValueError(f"{where}: a division has no target that can be measured; see y.")
    by_fold = _mean(found, 2)
    values = _mean(by_fold, 1) if runs > 1 else by_fold[0][~np.isnan(by_fold[0, :, 0])]
    about = table.describe(runs, len(Cs), targets=y.shape[1])
    return Result.from_runs({name: values[:, at].tolist() for at, name in enumerate(SCORES)}, about)


def _one(
    classifier: str, x: Tensor, y: np.ndarray, folds: list[Split], Cs: list[float], seed: int
) -> np.ndarray:
    """The scores of one target in every fold, `[folds, 3]`, NaN where there are none."""
    found = np.full((len(folds), len(SCORES)), np.nan)
    labels, kept, inner = torch.from_numpy(y).clamp(min=0), list[tuple[int, Split]](), list[Split]()
    lengths = []
    for at, (train, test) in enumerate(folds):
        train, test = train[y[train] >= 0], test[y[test] >= 0]
        count = min(INNER, int(np.bincount(y[train], minlength=2).min()))
        if count < 2 or len(np.unique(y[test])) < 2:
            continue
        choose = StratifiedKFold(count, shuffle=True, random_state=seed).split(train, y[train])
        inner += [(train[a], train[b]) for a, b in choose]
        kept.append((at, (train, test)))
        lengths.append(count)
    areas = [
        [binary_ranking(margin, y[test] == 1)[0] for margin in margins]
        for (_, test), margins in zip(
            inner, _margins(classifier, x, labels, inner, Cs), strict=True
        )
    ]
    outer = [split for _, split in kept]
    ends = np.cumsum([0, *lengths])
    scored = zip(kept, _margins(classifier, x, labels, outer, Cs), strict=True)
    for place, ((at, (_, test)), margins) in enumerate(scored):
        best = int(np.mean(areas[ends[place] : ends[place + 1]], axis=0).argmax())
        margin, positive = margins[best], y[test] == 1
        found[at] = *binary_ranking(margin, positive), ((margin > 0) == positive).mean()
    return found


def _margins(
    classifier: str, x: Tensor, y: Tensor, splits: list[Split], Cs: list[float]
) -> list[np.ndarray]:
    """For every split how much rather 1 than 0 the test rows are by each strength, `[K, test]`."""
    scores = linear_scores(classifier, x, y, splits, Cs) if splits else ()
    return [(score[..., 1] - score[..., 0]).numpy() for score in scores]


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
