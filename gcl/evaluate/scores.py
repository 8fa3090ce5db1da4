"""Scores of the parts of splits: of decisions, for several splits at once, and of rankings."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor


def split_accuracy(predicted: Tensor, y: Tensor, masks: Tensor) -> list[float]:
    """Share of hits in each part; `predicted` and `masks` are `[S, N]`."""
    hits = ((predicted == y) & masks).sum(1).double()
    return (hits / masks.sum(1)).tolist()


def split_macro_f1(predicted: Tensor, y: Tensor, masks: Tensor) -> list[float]:
    """Mean F1 over the classes that occur among the labels or the predictions of the part."""
    classes = int(y.max()) + 1
    split = torch.arange(len(masks)).unsqueeze(1) * classes

    def count(labels: Tensor, where: Tensor) -> Tensor:
        total = torch.bincount((labels + split)[where], minlength=classes * len(masks))
        return total.view(-1, classes).double()

    both = count(y, masks) + count(predicted, masks)
    f1 = 2 * count(y, masks & (predicted == y)) / both.clamp(min=1)
    return (f1.sum(1) / (both > 0).sum(1)).tolist()


def split_largest_class(y: Tensor, masks: Tensor) -> list[float]:
    """Share of the most frequent class of each part; `masks` is `[S, N]`."""
    return [float(torch.bincount(y[mask]).max() / mask.sum()) for mask in masks]


def ranking(scores: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and average precision: scores `[C, n]`, classes y `[n]`.

    Of two classes the second is looked for, of more each among the rest, and the means are over the
    classes that have both. NaN where there is none.
    """
    found = [
        binary_ranking(scores[label], y == label)
        for label in ([1] if len(scores) == 2 else range(len(scores)))
        if 0 < np.count_nonzero(y == label) < len(y)
    ]
    area, precision = np.mean(found, axis=0) if found else (np.nan, np.nan)
    return float(area), float(precision)


def binary_ranking(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and average precision, which count equal scores as one threshold.

    With p_i the rows that score at least as high as the positive row i, and q_i the positive ones
    of them, the average precision is mean_i q_i / p_i. Both inputs are `[n]`, with rows of both
    kinds.
    """
    every, own = np.sort(scores), np.sort(scores[positive])
    others = len(every) - len(own)

    def above(side: Literal["left", "right"]) -> tuple[np.ndarray, np.ndarray]:
        # own and every rise, so that the positions are found in one pass over close memory.
        return (len(every) - np.searchsorted(every, own, side),
                len(own) - np.searchsorted(own, own, side))  # fmt: skip

    (at_least, own_at_least), (higher, own_higher) = above("left"), above("right")
    precision = float((own_at_least / at_least).mean())
    # Other rows above, those of the same score by half
    wrong = (at_least - own_at_least + higher - own_higher) / 2
    return 1 - float(wrong.mean()) / others, precision
