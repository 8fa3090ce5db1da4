"""Clustering: how well clusters, found by k-means or by a method itself, match the classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse as sp
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score
from torch import Tensor

from gcl.checks import SKLEARN_SEEDS, check_count, check_seed, shown
from gcl.evaluate.clusters import clusters as assignments
from gcl.evaluate.inputs import Matrix, as_classes, as_labels, as_matrix, told_labelled
from gcl.evaluate.result import Result

SPARSE = 0.1  # share of numbers other than zero below which sparse products are quicker
EpochProtocol = Literal["last", "paper-max"]


def match_clusters(y: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Rename clusters to the classes they agree with most: the Hungarian assignment.

    Args:
        y: Classes from 0, `[N]`.
        assignment: Cluster of every node, from 0, `[N]`.

    Returns:
        `[N]`: the class of each node's cluster; surplus clusters get numbers above the classes.

    Raises:
        TypeError, ValueError: y or assignment are not whole numbers, one a node.

    Reference:
        Kuhn, "The Hungarian method for the assignment problem", 1955.

    Example:
        >>> match_clusters(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 2]))
        array([0, 0, 1, 2])
    """
    several = hasattr(y, "__len__") and not (hasattr(y, "ndim") and y.ndim == 0)
    rows = len(y) if several else 0
    y, assignment = (as_classes(v, rows, "match_clusters").numpy() for v in (y, assignment))
    if not len(y):
        return assignment
    # Only the names that occur: their numbers may be large.
    found, assignment = np.unique(assignment, return_inverse=True)
    names, y = np.unique(y, return_inverse=True)
    counts = np.zeros((len(found), max(len(names), len(found))), dtype=np.int64)
    np.add.at(counts, (assignment, y), 1)
    surplus = names[-1] + 1 + np.arange(counts.shape[1] - len(names))
    _, classes = linear_sum_assignment(counts, maximize=True)
    return np.concatenate([names, surplus])[classes][assignment]


@overload
def cluster(z: Any, y: int, *, seed: int = 0) -> Tensor: ...


@overload
def cluster(
    z: Any,
    y: Any,
    clusters: int | None = None,
    runs: int = 3,
    seed: int = 0,
    *,
    l2: bool = True,
    protocol: EpochProtocol = "last",
) -> Result: ...


def cluster(
    z: Any,
    y: Any,
    clusters: int | None = None,
    runs: int = 3,
    seed: int = 0,
    *,
    l2: bool = True,
    protocol: EpochProtocol = "last",
) -> Result | Tensor:
    """k-means on frozen embeddings against the classes; labels are used to score only.

    `cluster(z, 5)`, a number in place of labels, gives the clusters themselves, as
    `gcl.evaluate.clusters(z, 5)` does, which also chooses how many.

    Nodes without a label are clustered, and do not count in the scores. Rows of which most numbers
    are zero, such as words, are multiplied as a sparse matrix, in a tenth of the time on Cora's.

    Args:
        z: Embeddings `[N, D]`, dense or sparse; or a list of them, one an epoch.
        y: Integer labels `[N]`; -1 for a node without one. Or a number of clusters.
        clusters: How many, at least 1; default: the number of classes.
        runs: Independent runs, each the best of 10 starts.
        seed: Run i starts from `seed + i`; no global generator is touched.
        l2: Scale rows to length one first, which makes k-means follow the cosine.
        protocol: Which epoch of a list counts, see `cluster_scores`: "last", or "paper-max", which
            selects on the labels.

    Returns:
        `accuracy` (clusters matched to classes by the Hungarian assignment), `nmi` (arithmetic
        mean), `ari`, `macro_f1` after matching, and their `_std` over runs.

    Raises:
        ValueError: if clusters or runs is out of range, the labels do not fit, or "paper-max" is
            asked of one epoch.

    Example:
        >>> z = np.repeat(np.eye(3), 4, axis=0) + 0.01 * np.arange(36).reshape(12, 3) / 36
        >>> cluster(z, np.repeat([0, 1, 2], 4), runs=2)["accuracy"]
        1.0
    """
    if isinstance(y, Integral) and not isinstance(y, bool):
        return assignments(z, int(y), seed=seed)
    if y is None:
        raise TypeError(
            "cluster: expected one label a node, got None; where there are none, "
            "gcl.evaluate.clusters(z) gives clusters, and chooses how many."
        )
    if not hasattr(y, "__len__") or getattr(y, "ndim", 1) == 0:
        raise TypeError(
            "cluster: expected one label a node, or how many clusters as a whole number, got "
            f"{shown(y)}."
        )
    epochs = list(z) if isinstance(z, list | tuple) else [z]
    chosen = _counted("cluster", epochs, isinstance(z, list | tuple), protocol)
    matrices = [as_matrix(epoch, "cluster", l2=l2) for epoch in chosen]
    num_nodes = matrices[0].shape[0]
    if any(x.shape[0] != num_nodes for x in matrices):
        raise ValueError("cluster: the embeddings of all epochs must have one row a node.")
    codes, labels = as_labels(y, num_nodes, "cluster")
    clusters = len(labels) if clusters is None else clusters
    check_count("cluster", least=-(2**63), clusters=clusters, runs=runs)
    if not 1 <= clusters <= num_nodes:
        raise ValueError(
            f"cluster: clusters must lie between 1 and {num_nodes} nodes, got {clusters}."
        )
    if runs < 1:
        raise ValueError(f"cluster: runs must be at least 1, got {runs}.")
    check_seed("cluster", seed, least=0, below=SKLEARN_SEEDS + 1 - runs)
    rows = [_rows(x) for x in matrices]
    scores: list[dict[str, float]] = []
    for run in range(runs):
        with warnings.catch_warnings():
            # Collapsed embeddings have fewer different rows than clusters: a low score says so.
            warnings.simplefilter("ignore", ConvergenceWarning)
            means = [KMeans(clusters, n_init=10, random_state=seed + run) for _ in rows]
            found = [one.fit_predict(x) for one, x in zip(means, rows, strict=True)]
        scores.append(_best([_scores(codes, one, len(labels)) for one in found]))
    rows_text = "l2 rows" if l2 else "raw rows"
    told = f"k-means: k {clusters}, {rows_text}, best of 10 starts, {runs} runs"
    by_name = {name: [s[name] for s in scores] for name in scores[0]}
    return Result.from_runs(
        by_name, told + _selection(protocol, len(epochs)) + told_labelled(codes)
    )


def cluster_scores(assignment: Any, y: Any, *, protocol: EpochProtocol = "last") -> Result:
    """Clusters that a method has found, such as `method.predict(data)`, against the classes.

    Papers of deep clustering often report, for each metric on its own, the maximum over all epochs:
    a number that nobody without the labels can reach. It is had here by name only.

    Args:
        assignment: Cluster of every node `[N]`, whole numbers >= 0; or of every epoch, as
            `[epochs, N]` or a list.
        y: Integer labels `[N]`; -1 for a node without one.
        protocol: "last" scores the last epoch; "paper-max" takes the maximum over epochs of each
            metric separately: it selects on the labels.

    Returns:
        `accuracy` (clusters matched to classes by the Hungarian assignment), `nmi` (arithmetic
        mean), `ari`, `macro_f1` after matching.

    Raises:
        ValueError: if assignment or labels do not fit, or "paper-max" is asked of one epoch.

    Example:
        >>> epochs = [[0, 0, 1, 1], [0, 1, 1, 1]]
        >>> cluster_scores(epochs, [5, 5, 7, 7])["accuracy"]
        0.75
        >>> cluster_scores(epochs, [5, 5, 7, 7], protocol="paper-max")["accuracy"]
        1.0
    """
    found = _as_clusters(assignment)
    several = found.ndim == 2
    epochs = list(found) if several else [found]
    chosen = _counted("cluster_scores", epochs, several, protocol)
    codes, labels = as_labels(y, len(chosen[0]), "cluster_scores")
    scores = _best([_scores(codes, epoch, len(labels)) for epoch in chosen])
    told = f"clusters of the method{_selection(protocol, len(epochs))}{told_labelled(codes)}"
    return Result(scores, told)


def _rows(x: Matrix) -> Any:
    """What k-means reads."""
    if not isinstance(x, Tensor):
        return sp.csr_matrix(x)
    dense = x.cpu().numpy()
    return sp.csr_matrix(dense) if np.count_nonzero(dense) < SPARSE * dense.size else dense


def _as_clusters(assignment: Any) -> np.ndarray:
    """Whole numbers >= 0, `[N]` or `[epochs, N]`."""
    if isinstance(assignment, list | tuple) and assignment and isinstance(assignment[0], Tensor):
        assignment = torch.stack([epoch.detach().cpu() for epoch in assignment])
    if isinstance(assignment, Tensor):
        assignment = assignment.detach().cpu().numpy()
    found = np.asarray(assignment)
    if found.ndim not in (1, 2) or 0 in found.shape:
        raise ValueError(
            f"cluster_scores: expected an assignment [num_nodes] or [epochs, num_nodes], got shape "
            f"{found.shape}."
        )
    message = "cluster_scores: assignment must hold whole numbers of at least 0."
    try:
        whole = as_classes(found.ravel(), found.size, "cluster_scores")
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error
    if bool((whole < 0).any()):
        raise ValueError(message)
    return whole.numpy().reshape(found.shape)


def _counted(where: str, epochs: Sequence[Any], several: bool, protocol: str) -> list[Any]:
    """The epochs that a protocol looks at."""
    if protocol not in ("last", "paper-max"):
        raise ValueError(f"{where}: protocol must be 'last' or 'paper-max', got {protocol!r}.")
    if not epochs:
        raise ValueError(f"{where}: expected at least one epoch, got an empty list.")
    if protocol == "last":
        return [epochs[-1]]
    if not several:
        raise ValueError(
            f"{where}: protocol='paper-max' is a maximum over epochs; give a list with one entry "
            "an epoch."
        )
    return list(epochs)


def _scores(codes: Tensor, found: np.ndarray, classes: int) -> dict[str, float]:
    """Over the nodes with a label."""
    known = codes.numpy() >= 0
    truth, found = codes.numpy()[known], found[known]
    matched = match_clusters(truth, found)
    return {
        "accuracy": float((matched == truth).mean()),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "ari": float(adjusted_rand_score(truth, found)),
        "macro_f1": float(f1_score(truth, matched, labels=range(classes), average="macro")),
    }


def _best(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: max(s[name] for s in scores) for name in scores[0]}


def _selection(protocol: str, epochs: int) -> str:
    if protocol == "paper-max":
        return f", paper-max: best of {epochs} epochs by the labels, each metric on its own"
    return ", last epoch" if epochs > 1 else ""
