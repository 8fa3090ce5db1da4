"""Clustering: how well k-means on the embeddings finds the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score
from torch import Tensor

from gcl.evaluate.inputs import as_labels, as_matrix
from gcl.evaluate.result import Result


def match_clusters(y: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Rename clusters to the classes they agree with most: the Hungarian assignment.

    Args:
        y: Classes from 0, `[N]`.
        clusters: Clusters from 0, `[N]`.

    Returns:
        `[N]`: the class of each node's cluster; surplus clusters get numbers above the classes.

    Reference:
        Kuhn, "The Hungarian method for the assignment problem", 1955.

    Example:
        >>> match_clusters(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 2]))
        array([0, 0, 1, 2])
    """
    size = max(int(y.max()), int(clusters.max())) + 1
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (clusters, y), 1)
    _, classes = linear_sum_assignment(counts, maximize=True)
    return classes[clusters]


def cluster(
    z: Any, y: Any, k: int | None = None, runs: int = 10, seed: int = 0, *, l2: bool = True
) -> Result:
    """k-means on frozen embeddings against the classes; labels are used to score only.

    Args:
        z: Embeddings `[N, D]`, dense or sparse.
        y: Integer labels `[N]`.
        k: Number of clusters, at least 1; default: the number of classes.
        runs: Independent runs, each the best of 10 starts.
        seed: Run i starts from `seed + i`; no global generator is touched.
        l2: Scale rows to length one first, which makes k-means follow the cosine.

    Returns:
        `accuracy` (clusters matched to classes by the Hungarian assignment), `nmi` (arithmetic
        mean), `ari`, `macro_f1` after matching, and their `_std` over runs.

    Raises:
        ValueError: if k or runs is out of range, or the labels do not fit.

    Example:
        >>> z = np.repeat(np.eye(3), 4, axis=0) + 0.01 * np.arange(36).reshape(12, 3) / 36
        >>> cluster(z, np.repeat([0, 1, 2], 4), runs=2)["accuracy"]
        1.0
    """
    x = as_matrix(z, "cluster", l2=l2)
    codes, labels = as_labels(y, x.shape[0], "cluster")
    k = len(labels) if k is None else k
    if not 1 <= k <= x.shape[0]:
        raise ValueError(f"cluster: k must lie between 1 and {x.shape[0]} nodes, got {k}.")
    if runs < 1:
        raise ValueError(f"cluster: runs must be at least 1, got {runs}.")
    rows: Any = x.cpu().numpy() if isinstance(x, Tensor) else sp.csr_matrix(x)
    truth = codes.numpy()
    scores: dict[str, list[float]] = {"accuracy": [], "nmi": [], "ari": [], "macro_f1": []}
    for run in range(runs):
        found = KMeans(k, n_init=10, random_state=seed + run).fit_predict(rows)
        matched = match_clusters(truth, found)
        scores["accuracy"].append(float((matched == truth).mean()))
        scores["nmi"].append(float(normalized_mutual_info_score(truth, found)))
        scores["ari"].append(float(adjusted_rand_score(truth, found)))
        scores["macro_f1"].append(
            float(f1_score(truth, matched, labels=range(len(labels)), average="macro"))
        )
    rows_text = "l2 rows" if l2 else "raw rows"
    return Result.from_runs(scores, f"k-means: k {k}, {rows_text}, best of 10 starts, {runs} runs")
