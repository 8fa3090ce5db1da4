"""Linear classifiers of graphs, for many divisions into training and test graphs at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl.evaluate.classifiers.adam_probe import padded_index
from gcl.evaluate.classifiers.linear_svm import fit_linear_svm
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.inputs import Matrix

BUDGET = 1 << 24  # numbers held for the splits that are solved together: 128 MB in float64


def as_features(x: Matrix) -> Tensor:
    """Rows as a dense matrix in float64."""
    return x.double() if isinstance(x, Tensor) else torch.from_numpy(x.toarray()).double()


def linear_scores(
    classifier: str,
    x: Tensor,
    y: Tensor,
    splits: list[tuple[np.ndarray, np.ndarray]],
    Cs: list[float],
) -> Iterator[Tensor]:
    """For every split and strength the scores of the test rows, `[K, test, C]`.

    Columns are standardised by the training rows.

    Args:
        classifier: `svm` or `lr`.
        x: rows `[G, D]`, float64.
        y: classes `[G]`.
        splits: positions of training and of test rows.
        Cs: strengths.
    """
    fit: Any = fit_linear_svm if classifier == "svm" else fit_logistic
    longest = max(len(train) for train, _ in splits)
    # Rows, and for the SVM a matrix of second derivatives.
    step = max(1, BUDGET // (longest * x.shape[1] + min(longest, x.shape[1]) ** 2))
    classes = int(y.max()) + 1
    for start in range(0, len(splits), step):
        some = splits[start : start + step]
        masks = torch.zeros(len(some), len(y), dtype=torch.bool)
        for row, (train, _) in enumerate(some):
            masks[row, torch.from_numpy(train)] = True
        index, mask = padded_index(masks)
        rows = x[index]
        weight = mask.unsqueeze(2).to(x.dtype)
        count = weight.sum(1, keepdim=True)
        mean = (rows * weight).sum(1, keepdim=True) / count
        variance = ((rows - mean).square() * weight).sum(1, keepdim=True) / count
        # A constant column would divide by rounding errors: it stays as it is.
        scale = torch.where(variance.sqrt() > 1e-7 * mean.abs(), variance, 1.0).rsqrt()
        found = fit((rows - mean) * scale * weight, y[index], mask, Cs=Cs, num_classes=classes)
        for row, (_, test) in enumerate(some):
            z = ((x[torch.from_numpy(test)] - mean[row]) * scale[row]).to(found.weight.dtype)
            yield z @ found.weight[row] + found.bias[row].unsqueeze(1)
