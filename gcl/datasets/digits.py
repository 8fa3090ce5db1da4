"""Handwritten digits as a graph of nearest neighbours; embedded in scikit-learn."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from gcl.checks import check_count

_ROWS = 256  # rows of the distance matrix held at a time


def digits(k: int = 3) -> Data:
    """1,797 handwritten digits, each linked to its `k` nearest images (SDCN's construction).

    `i - j  if  j in knn(i) or i in knn(j)`  by Euclidean distance, self excluded. Pixels are whole
    numbers, so distances are exact and ties are broken by the lower index: the same graph on every
    machine.

    Args:
        k: neighbours of every image, in [1, 1796]; the papers take 3 or 5.

    Shape:
        x `[1797, 64]` pixels in [0, 1], edge_index `[2, e]` undirected without self-loops,
        y `[1797]`.

    Raises:
        TypeError: if k is no integer.
        ValueError: if k is outside its range.

    Reference:
        Bo, Wang, Shi, Zhu, Lu, Cui: Structural Deep Clustering Network, WWW 2020. They rank by a
        heat kernel of the Euclidean distance, which is the same order.

    Example:
        >>> digits()
        Data(x=[1797, 64], edge_index=[2, 7768], y=[1797])
    """
    pixels, labels = load_digits(return_X_y=True)
    check_count("digits", k=k)
    if not k < len(pixels):
        raise ValueError(f"digits: k must lie in [1, {len(pixels) - 1}], got {k}.")
    targets = _nearest(pixels, k)
    sources = np.repeat(np.arange(len(pixels)), k)
    edge_index = torch.from_numpy(np.stack([sources, targets.ravel()]))
    return Data(
        x=torch.from_numpy(pixels / 16).float(),
        edge_index=to_undirected(edge_index, num_nodes=len(pixels)),
        y=torch.from_numpy(labels).long(),
    )


def _nearest(points: np.ndarray, k: int) -> np.ndarray:
    num = len(points)
    squares = (points**2).sum(1)
    nearest = np.empty((num, k), dtype=np.int64)
    for start in range(0, num, _ROWS):
        rows = slice(start, min(start + _ROWS, num))
        distance = squares[rows, None] + squares - 2 * points[rows] @ points.T
        rank = distance.astype(np.int64) * num + np.arange(num)
        rank[np.arange(rows.stop - start), np.arange(start, rows.stop)] = np.iinfo(np.int64).max
        nearest[rows] = np.partition(rank, k - 1)[:, :k] % num
    return nearest
