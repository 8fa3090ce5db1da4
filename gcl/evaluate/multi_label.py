"""Several yes-or-no targets a node, some of which may be unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gcl.evaluate.classifiers.chosen_logistic import fit_chosen, scores_of
from gcl.evaluate.inputs import Matrix
from gcl.evaluate.scores import binary_ranking
from gcl.evaluate.splits import Splits


def probe_targets(
    x: Matrix, y: Tensor, splits: Splits, Cs: Sequence[float]
) -> tuple[dict[str, list[float]], float]:
    """A logistic regression a target, on the nodes for which the target is known.

    Its strength is the one under which its validation nodes are most likely: accuracy would choose
    blindly where a target is rare.

    Args:
        x: Rows, `[N, D]`.
        y: Targets `[N, T]`, 0 or 1, and -1 where unknown.
        splits: S splits, each with validation nodes.
        Cs: Strengths to choose from.

    Returns:
        By name a number a split: `accuracy`, `macro_f1`, `auc`, `average_precision` and
        `val_accuracy`, means over targets, and `micro_f1` of all decisions; `auc` and
        `average_precision` over the targets of both kinds in the test part, and left out if a part
        has none. And what the more frequent value of each target alone gives, mean over targets.

    Raises:
        ValueError: a target that is unknown in all of a part.
    """
    shape = len(splits), y.shape[1]
    found = {name: np.full(shape, np.nan) for name in ("accuracy", "val_accuracy", "f1", "largest")}
    areas = np.full((*shape, 2), np.nan)
    counts = np.zeros((*shape, 2))  # twice the true positives, and what they are divided by
    for target, labels in enumerate(y.unbind(1)):
        own = known(splits, labels, target)
        fit = fit_chosen(x, labels.clamp(min=0), own, Cs, num_classes=2, by="likelihood")
        for split, scores in enumerate(scores_of(x, fit.weight, fit.bias)):
            margin = (scores[1] - scores[0]).cpu()
            test, val = own.test[split], own.val[split]
            guess, true = (margin[test] > 0).numpy(), labels[test].bool().numpy()
            at = split, target
            found["accuracy"][at] = (guess == true).mean()
            found["val_accuracy"][at] = ((margin[val] > 0) == labels[val].bool()).double().mean()
            found["largest"][at] = max(true.mean(), 1 - true.mean())
            counts[at] = 2 * (guess & true).sum(), guess.sum() + true.sum()
            if 0 < true.sum() < len(true):
                areas[at] = binary_ranking(margin[test].double().numpy(), true)
    total = counts.sum(1)
    runs = {
        "accuracy": found["accuracy"].mean(1),
        "micro_f1": total[:, 0] / np.maximum(total[:, 1], 1),
        "macro_f1": (counts[..., 0] / np.maximum(counts[..., 1], 1)).mean(1),
    }
    if not np.isnan(areas[..., 0]).all(1).any():
        runs["auc"], runs["average_precision"] = np.nanmean(areas, axis=1).T
    runs["val_accuracy"] = found["val_accuracy"].mean(1)
    by_name = {name: values.tolist() for name, values in runs.items()}
    return by_name, float(found["largest"].mean())


def known(splits: Splits, y: Tensor, target: int) -> Splits:
    """The parts without the nodes for which a target is unknown."""
    parts = {name: getattr(splits, name) & (y >= 0) for name in ("train", "val", "test")}
    for name, part in parts.items():
        if not bool(part.any(1).all()):
            raise ValueError(
                f"linear_probe: target {target} is unknown for all {name} nodes of split "
                f"{int(part.any(1).int().argmin())} of {splits.name!r}; leave that column out, or "
                "pass other splits."
            )
    return Splits(splits.name, **parts)


def labelled(y: Tensor) -> Tensor:
    """0 for a node with a known target, -1 for one without."""
    return torch.where((y >= 0).any(1), 0, -1)
