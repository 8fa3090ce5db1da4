"""Clusters of embeddings where there are no labels, and how many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from sklearn.metrics import silhouette_score
from torch import Tensor
from torch_geometric.data.data import BaseData

from gcl.checks import check_count, check_counts, check_seed, shown
from gcl.evaluate.cluster_quality import kmeans_clusters, modularity
from gcl.evaluate.inputs import as_matrix
from gcl.graphs.kinds import check_graph

SAMPLE = 2000  # rows of which the silhouette is taken


def clusters(
    z: Any,
    k: int | None = None,
    data: Any = None,
    *,
    ks: Iterable[int] | None = None,
    starts: int = 3,
    seed: int = 0,
) -> Tensor:
    """A cluster for every row, by `kmeans_clusters`; without k the number that separates best.

    With a graph, that of the highest modularity: the clusters that follow its links best. Else that
    of the highest silhouette by cosine, of 2,000 rows at most. Either finds some k in anything:
    look at the clusters before you believe in their number.

    Args:
        z: Embeddings `[N, D]`, dense or sparse, or a DataFrame of them.
        k: How many, from 1 to N; not together with `ks`.
        data: The graph of the rows, to choose k by.
        ks: Numbers to choose from, each from 2 to N - 1; 2 to 20 if None.
        starts: Of k-means, see `kmeans_clusters`.
        seed: Of k-means and of the sample; no global generator is touched.

    Shape:
        z `[N, D]` -> `[N]`, whole numbers from 0, on the CPU.

    Raises:
        TypeError, ValueError: z is no matrix, a number is out of range, the graph is of other rows
            or has no links.

    Reference:
        Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
        analysis", J. Comput. Appl. Math. 1987; Newman, "Modularity and community structure in
        networks", PNAS 2006.

    Example:
        >>> z = torch.eye(3).repeat(5, 1) + 0.01 * torch.arange(45).view(15, 3) / 45
        >>> clusters(z, 3).unique().tolist()
        [0, 1, 2]
        >>> len(clusters(z).unique())
        3
    """
    x = as_matrix(z, "clusters")
    rows = x.shape[0]
    if data is not None:
        check_graph("clusters", data)
    if k is not None:
        if isinstance(k, BaseData):
            raise TypeError("clusters: k is a number of clusters; give the graph by name: data=.")
        if ks is not None:
            raise ValueError(
                f"clusters: k={shown(k)} says how many, and ks says what to choose from; give one "
                "of them."
            )
        check_count("clusters", k=k)
        if k > rows:
            raise ValueError(f"clusters: k must be at most the {rows} rows, got {k}.")
        return kmeans_clusters(x, k, starts=starts, seed=seed)
    check_seed("clusters", seed, least=0)
    tried = _candidates(ks, rows)
    if data is not None and getattr(data, "num_nodes", rows) != rows:
        raise ValueError(
            f"clusters: the graph has {data.num_nodes} nodes, and z {rows} rows; give the graph "
            "that was embedded."
        )
    dense = x if isinstance(x, Tensor) else torch.from_numpy(x.toarray())
    chosen = np.random.default_rng(seed).permutation(rows)[:SAMPLE]
    sample = dense[chosen].cpu().numpy()
    best, found = -np.inf, torch.zeros(rows, dtype=torch.long)
    for count in tried:
        labels = kmeans_clusters(x, count, starts=starts, seed=seed)
        if data is not None:
            score = modularity(labels, data)
        else:
            groups = len(labels[chosen].unique())
            several = 1 < groups < len(sample)
            score = (
                silhouette_score(sample, labels[chosen].numpy(), metric="cosine") if several else -1
            )
        if score > best:
            best, found = score, labels
    return found.unique(return_inverse=True)[1]


def _candidates(ks: Any, rows: int) -> list[int]:
    if rows < 3:
        raise ValueError(f"clusters: choosing k needs at least 3 rows, got {rows}; give k.")
    if ks is None:
        return list(range(2, min(20, rows - 1) + 1))
    listed = ks.tolist() if isinstance(ks, Tensor | np.ndarray) else ks
    tried = list(listed) if isinstance(listed, Iterable) and not isinstance(listed, str) else listed
    check_counts("clusters", least=2, ks=tried)
    if max(tried) >= rows:
        raise ValueError(f"clusters: ks must lie below the {rows} rows, got {max(tried)}.")
    return tried
