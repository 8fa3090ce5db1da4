"""Classification of whole graphs from their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from gcl.checks import SKLEARN_SEEDS, as_strengths, check_count, check_real, check_seed
from gcl.evaluate.graph_fits import as_features, linear_scores
from gcl.evaluate.graph_targets import classify_targets
from gcl.evaluate.inputs import Matrix, as_labels, as_matrix, as_targets
from gcl.evaluate.protocols import GRAPH_PROTOCOLS, INNER, GraphProtocol
from gcl.evaluate.result import Result


def graph_classification(
    z: Any,
    y: Any,
    *,
    protocol: str | GraphProtocol = "10-fold-svm",
    seeds: int | None = None,
    Cs: Sequence[float] | None = None,
    seed: int = 0,
) -> Result:
    """Accuracy of a classifier of frozen graph embeddings, by stratified cross-validation.

    | protocol | rows | classifier |
    | --- | --- | --- |
    | `10-fold-svm` (MVGRL) | standardised | linear SVM |
    | `10-fold-lr` | standardised | logistic regression |
    | `10-fold-rbf` | standardised | SVM, Gaussian kernel |
    | `10-fold-rbf-raw` | as they are, as in GraphCL's code | the same |
    | `10-fold-kernel` | of length one | SVM on inner products, for histograms of a graph kernel |

    The graphs are divided into 10 folds, each is the test part once; C is chosen by 5-fold
    cross-validation inside the other nine, and the classifier trained on all of them. Means and
    deviations of columns are those of the training part. Nothing is selected on a test part.

    Of several yes-or-no targets, `10-fold-svm` and `10-fold-lr` train a classifier each, on the
    graphs whose target is known, its C chosen by the area under the ROC curve. Folds are drawn
    regardless of targets. A target counts in the folds in which it has both values.

    Args:
        z: Embeddings `[G, D]`: a tensor, an array or a SciPy matrix.
        y: Integer labels `[G]`; they may start anywhere and have gaps. Or targets `[G, T]`, T >= 2,
            of 0 and 1, NaN or -1 where unknown.
        protocol: A name of the table, or a `GraphProtocol` of your own.
        seeds: Random divisions into folds; the protocol's 5 if None.
        Cs: Strengths to choose from in place of the protocol's; scikit-learn's `C`.
        seed: Seed of the first division; no global generator is touched.

    Returns:
        `accuracy` and `macro_f1`, means over folds, and their `_std` over divisions (over folds if
        there is one division), as fractions; `per_run` has the single divisions (folds). Of several
        targets `auc`, `average_precision` and `accuracy`, means over targets.

    Raises:
        TypeError: if y is missing or z is no matrix.
        ValueError: if labels or strengths do not fit, or a class has fewer graphs than folds.

    Example:
        >>> import torch
        >>> y = torch.arange(40) % 2
        >>> result = graph_classification(torch.randn(40, 4) + 4 * y.unsqueeze(1), y, seeds=1)
        >>> result["accuracy"] > 0.9
        True
    """
    return _classify("graph_classification", z, y, protocol, seeds, Cs, seed, 1.0)


def semi_supervised(
    z: Any,
    y: Any,
    *,
    label_rate: float = 0.1,
    protocol: str | GraphProtocol = "10-fold-svm",
    seeds: int | None = None,
    Cs: Sequence[float] | None = None,
    seed: int = 0,
) -> Result:
    """`graph_classification` where a share of the training graphs has labels.

    Of every class of a training part `ceil(label_rate * size)` graphs, but at least two, are drawn;
    the classifier and its C see no others. The test parts are those of `graph_classification`.

    Args:
        z: Embeddings `[G, D]`, made without labels.
        y: Integer labels `[G]`.
        label_rate: Share of the training graphs with a label, in (0, 1].
        protocol: As for `graph_classification`.
        seeds: As for `graph_classification`.
        Cs: As for `graph_classification`.
        seed: Seed of the first division and draw.

    Raises:
        TypeError, ValueError: As `graph_classification`; label_rate out of range.

    Example:
        >>> import torch
        >>> y = torch.arange(40) % 2
        >>> z = torch.randn(40, 4) + 4 * y.unsqueeze(1)
        >>> semi_supervised(z, y, label_rate=0.2, seeds=1)["accuracy"] > 0.9
        True
    """
    check_real("semi_supervised", label_rate=label_rate)
    if not 0 < label_rate <= 1:
        raise ValueError(f"semi_supervised: label_rate must lie in (0, 1], got {label_rate}.")
    return _classify("semi_supervised", z, y, protocol, seeds, Cs, seed, label_rate)


def _classify(
    where: str,
    z: Any,
    y: Any,
    protocol: str | GraphProtocol,
    seeds: int | None,
    Cs: Sequence[float] | None,
    seed: int,
    label_rate: float,
) -> Result:
    table = _look_up(where, protocol)
    strengths = as_strengths(where, "Cs", table.Cs if Cs is None else Cs)
    runs = table.runs if seeds is None else seeds
    check_count(where, seeds=runs)
    check_seed(where, seed, least=0, below=SKLEARN_SEEDS + 1 - runs)
    x = as_matrix(z, where, l2=table.classifier == "kernel")
    targets = as_targets(y, x.shape[0], where, of="graph") if label_rate == 1 else None
    if targets is not None:
        return classify_targets(where, x, targets, table, runs, strengths, seed)
    labels = as_labels(y, x.shape[0], where, of="graph")[0].numpy()
    rarest = int(np.bincount(labels).min())
    if rarest < max(table.folds, 3):
        raise ValueError(
            f"{where}: {table.folds} stratified folds need {max(table.folds, 3)} graphs of every "
            f"class, and one has {rarest}; use a GraphProtocol with fewer folds, or join classes."
        )
    rows: Any
    predict: Callable[..., np.ndarray]
    if table.classifier in ("svm", "lr"):
        rows, predict = as_features(x), _predict_batched
    else:
        rows, predict = _kernel_rows(table.classifier, x), _predict_kernel
    scores = []
    for run in range(runs):
        parts = _divide(labels, table.folds, label_rate, seed + run)
        predicted = predict(table.classifier, rows, labels, parts, strengths)
        scores.append([_score(labels, predicted, test) for _, test, _ in parts])
    # A number a division, or with one division a number a fold
    values = np.array(scores).mean(1) if runs > 1 else np.array(scores[0])
    return Result.from_runs(
        {"accuracy": values[:, 0].tolist(), "macro_f1": values[:, 1].tolist()},
        table.describe(runs, len(strengths), label_rate),
    )


class _Part(NamedTuple):
    train: np.ndarray  # positions of the labelled training graphs
    test: np.ndarray
    inner: list[tuple[np.ndarray, np.ndarray]]  # the same for the folds that choose C


def _divide(y: np.ndarray, folds: int, label_rate: float, seed: int) -> list[_Part]:
    """One division into folds, and of every training part into inner folds."""
    random = np.random.default_rng(seed)
    parts = []
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y):
        train = _labelled(train, y, label_rate, random)
        count = min(INNER, int(np.bincount(y[train]).min()))
        if count < 2:
            raise ValueError(
                f"graph_classification: a training part of {folds} folds holds {count} graphs of a "
                "class, too few to choose C by folds of its own; give classes of more graphs, or "
                "leave the rare ones out."
            )
        inner = StratifiedKFold(count, shuffle=True, random_state=seed).split(train, y[train])
        parts.append(_Part(train, test, [(train[a], train[b]) for a, b in inner]))
    return parts


def _labelled(
    train: np.ndarray, y: np.ndarray, rate: float, random: np.random.Generator
) -> np.ndarray:
    """A share of the graphs of every class."""
    if rate == 1:
        return train
    parts = []
    for label in np.unique(y[train]):
        members = random.permutation(train[y[train] == label])
        parts.append(members[: max(2, int(np.ceil(rate * len(members))))])
    return np.sort(np.concatenate(parts))


def _predict_batched(
    classifier: str, x: Tensor, y: np.ndarray, parts: list[_Part], Cs: list[float]
) -> np.ndarray:
    """A class for every graph, by the classifier of the fold that it is the test part of."""
    labels = torch.from_numpy(y)
    predicted = np.empty_like(y)
    inner = [split for part in parts for split in part.inner]
    hits = np.concatenate(
        [
            (score.argmax(2) == labels[torch.from_numpy(test)]).double().mean(1)[None].numpy()
            for (_, test), score in zip(
                inner, linear_scores(classifier, x, labels, inner, Cs), strict=True
            )
        ]
    )
    outer = [(part.train, part.test) for part in parts]
    done = 0
    for part, score in zip(parts, linear_scores(classifier, x, labels, outer, Cs), strict=True):
        accuracy = hits[done : done + len(part.inner)].mean(0)
        done += len(part.inner)
        predicted[part.test] = score[int(accuracy.argmax())].argmax(1).numpy()
    return predicted


def _predict_kernel(
    classifier: str, rows: np.ndarray, y: np.ndarray, parts: list[_Part], Cs: list[float]
) -> np.ndarray:
    predicted = np.empty_like(y)
    for train, test, inner in parts:
        estimator: Any = SVC(kernel="precomputed")
        name, columns = "C", train
        if classifier != "kernel":
            scale = StandardScaler() if classifier == "rbf" else "passthrough"
            estimator = make_pipeline(scale, SVC())
            name, columns = "svc__C", np.arange(rows.shape[1])
        place = {graph: at for at, graph in enumerate(train)}
        folds = [tuple(np.array([place[g] for g in part]) for part in split) for split in inner]
        search = GridSearchCV(estimator, {name: Cs}, cv=folds)
        search.fit(rows[np.ix_(train, columns)], y[train])
        predicted[test] = search.predict(rows[np.ix_(test, columns)])
    return predicted


def _kernel_rows(classifier: str, x: Matrix) -> np.ndarray:
    """Features for the Gaussian kernel, or the products of all pairs of rows."""
    rows: Any = x.cpu().numpy() if isinstance(x, Tensor) else x
    if classifier == "kernel":
        rows = rows @ rows.T
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def _score(y: np.ndarray, predicted: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Accuracy and macro-F1 of one test part."""
    accuracy = float((predicted[test] == y[test]).mean())
    return accuracy, float(f1_score(y[test], predicted[test], average="macro"))


def _look_up(where: str, protocol: str | GraphProtocol) -> GraphProtocol:
    if isinstance(protocol, GraphProtocol):
        return protocol
    if not isinstance(protocol, str) or protocol not in GRAPH_PROTOCOLS:
        raise ValueError(
            f"{where}: unknown protocol {protocol!r}; choose one of {', '.join(GRAPH_PROTOCOLS)}."
        )
    return GRAPH_PROTOCOLS[protocol]
