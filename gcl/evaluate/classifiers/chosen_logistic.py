"""A logistic regression a split, its strength chosen on the validation nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gcl.evaluate.classifiers.adam_probe import padded_index
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.inputs import Matrix, take
from gcl.evaluate.splits import Splits

BUDGET = 1 << 26  # numbers held for the splits that are solved together: 256 MB in float32


class ChosenLogistic(NamedTuple):
    """What `fit_chosen` returns.

    Attributes:
        weight: `[S, D, C]`.
        bias: `[S, C]`.
        Cs: the strength of each split.
    """

    weight: Tensor
    bias: Tensor
    Cs: list[float]


def fit_chosen(
    x: Matrix,
    y: Tensor,
    splits: Splits,
    Cs: Sequence[float],
    *,
    num_classes: int,
    by: Literal["accuracy", "likelihood"] = "accuracy",
) -> ChosenLogistic:
    """Solve every split and strength at once, as many splits at a time as the budget holds.

    Of the strengths of a split the one with the highest accuracy, or the highest likelihood, of its
    validation nodes counts, the first of equals.

    Args:
        x: Rows, `[N, D]`.
        y: Classes from 0, `[N]`.
        splits: S splits, each with validation nodes.
        Cs: Strengths, see `fit_logistic`.
        num_classes: C.
        by: What is highest on validation.
    """
    rows = int(splits.train.sum(1).max())
    # Three copies of the rows, and half a dozen arrays of scores
    width = 3 * x.shape[1] + 6 * len(Cs) * num_classes
    step = max(1, BUDGET // (rows * width))
    weights, biases, chosen = [], [], []
    for start in range(0, len(splits), step):
        part = slice(start, start + step)
        index, kept = padded_index(splits.train[part])
        train = take(x, index.flatten()).view(*index.shape, x.shape[1])
        labels, mask = y[index].to(train.device), kept.to(train.device)
        fit = fit_logistic(train, labels, mask, Cs=Cs, num_classes=num_classes)
        best = [
            _best(x, y, val, fit.weight[s], fit.bias[s], by)
            for s, val in enumerate(splits.val[part])
        ]
        at = torch.arange(len(best)), torch.tensor(best)
        weights.append(fit.weight[at])
        biases.append(fit.bias[at])
        chosen += [Cs[k] for k in best]
    return ChosenLogistic(torch.cat(weights), torch.cat(biases), chosen)


def _best(x: Matrix, y: Tensor, val: Tensor, weight: Tensor, bias: Tensor, by: str) -> int:
    """Position of the best strength on the validation nodes."""
    rows = val.nonzero().flatten()
    sample = x[rows.to(x.device)] if isinstance(x, Tensor) else x[rows.numpy()]
    found = [
        _likelihood(scores, y[rows]) if by == "likelihood" else _hits(scores, y[rows])
        for scores in scores_of(sample, weight, bias)
    ]
    return int(torch.stack(found).argmax())


def _hits(scores: Tensor, y: Tensor) -> Tensor:
    # max() finds the position several times faster than argmax() on the CPU
    return (scores.max(0).indices == y.to(scores.device)).sum()


def _likelihood(scores: Tensor, y: Tensor) -> Tensor:
    return -cross_entropy(scores.T.double(), y.to(scores.device))


def scores_of(x: Matrix, weight: Tensor, bias: Tensor) -> Iterator[Tensor]:
    """Scores `[C, N]` of every row, model by model: weight `[M, D, C]`, bias `[M, C]`."""
    step = max(1, BUDGET // (4 * x.shape[0] * bias.shape[1]))
    for w, b in zip(weight.split(step), bias.split(step), strict=True):
        flat = w.transpose(0, 1).flatten(1)
        if isinstance(x, Tensor):
            scores = (flat.T @ x.T).view(*b.shape, -1)
        else:
            scores = torch.from_numpy(x @ flat.numpy()).T.reshape(*b.shape, -1)
        yield from scores + b.unsqueeze(2)
