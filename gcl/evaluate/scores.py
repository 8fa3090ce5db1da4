"""Scores of the parts of several splits at once."""

from __future__ import annotations

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
