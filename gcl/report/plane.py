"""Embeddings in the plane: principal components of all, t-SNE of some thousands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from gcl.ops.similarity import unit_rows

POINTS = 20_000  # are drawn
NEIGHBOURS = 3_000  # of them are laid out by t-SNE, in about ten seconds
REACH = 32_767  # of 16 bits


@dataclass(frozen=True)
class Plane:
    """Points of a map.

    Args:
        name: how they were laid out.
        rows: which of the drawn rows they are `[m]`.
        points: whole numbers of 16 bits `[m, 2]`, of one scale in both directions.
    """

    name: str
    rows: np.ndarray
    points: np.ndarray


def sample(rows: int, most: int, seed: int = 0) -> np.ndarray:
    """The rows that are drawn, in their order: all, or as many as are allowed.

    Example:
        >>> sample(5, 10).tolist(), len(sample(100, 10))
        ([0, 1, 2, 3, 4], 10)
    """
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def planes(z: Tensor, *, seed: int = 0, neighbours: int = NEIGHBOURS) -> list[Plane]:
    """Layouts of unit rows; the same for the same embedding.

    Args:
        z: embeddings of what is drawn.
        seed: of both layouts, and of the sample of t-SNE.
        neighbours: most rows that t-SNE is asked to lay out.

    Shape:
        z `[n, d]`.

    Returns:
        "PCA" of all rows, which tells the share of the variance it shows, and "t-SNE" where there
        are at least four rows.
    """
    u = unit_rows(z.detach().cpu()).numpy().astype(np.float64)
    size = min(2, *u.shape)
    pca = PCA(size, random_state=seed)
    with np.errstate(invalid="ignore", divide="ignore"):  # equal rows vary nowhere
        flat = pca.fit_transform(u) if len(u) > 1 else np.zeros((1, size))
        share = float(np.nan_to_num(pca.explained_variance_ratio_).sum()) if len(u) > 1 else 0.0
    flat = np.pad(flat, ((0, 0), (0, 2 - size)))
    found = [Plane(f"PCA ({100 * share:.0f} % of the variance)", np.arange(len(u)), whole(flat))]
    rows = sample(len(u), neighbours, seed)
    if len(rows) >= 4:
        perplexity = min(30.0, (len(rows) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init=_start(flat[rows]), random_state=seed)
        laid = tsne.fit_transform(u[rows].astype(np.float32))
        name = "t-SNE" if len(rows) == len(u) else f"t-SNE (of {len(rows):,} nodes)"
        found.append(Plane(name, rows, whole(laid)))
    return found


def _start(flat: np.ndarray) -> np.ndarray:
    """Principal components, as small as t-SNE wants its start."""
    spread = flat[:, 0].std()
    return (flat / spread * 1e-4 if spread > 0 else flat).astype(np.float32)


def whole(points: np.ndarray) -> np.ndarray:
    """Points as whole numbers of 16 bits, around the middle of what they cover.

    Example:
        >>> whole(np.array([[0.0, 0.0], [2.0, 1.0]])).tolist()
        [[-32767, -16384], [32767, 16384]]
    """
    low, high = points.min(0), points.max(0)
    reach = float((high - low).max()) / 2
    if not reach > 0:
        return np.zeros(points.shape, dtype=np.int16)
    return np.round((points - (low + high) / 2) / reach * REACH).astype(np.int16)
