"""The linear probe: how much of the labels a linear classifier reads off frozen embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gcl.checks import as_strengths
from gcl.evaluate.classifiers.adam_probe import fit_adam
from gcl.evaluate.classifiers.chosen_logistic import fit_chosen, scores_of
from gcl.evaluate.classifiers.one_vs_rest import check_folds, fit_one_vs_rest
from gcl.evaluate.inputs import (
    Matrix,
    as_labels,
    as_matrix,
    as_targets,
    of_one_scale,
    told_labelled,
)
from gcl.evaluate.multi_label import known, labelled, probe_targets
from gcl.evaluate.protocols import PROTOCOLS, Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.scores import (
    ranking,
    split_accuracy,
    split_largest_class,
    split_macro_f1,
)
from gcl.evaluate.splits import (
    Splits,
    by_class_name,
    check_splits,
    public_split,
    random_name,
    random_splits,
    random_splits_by_class,
)

BUDGET = 1 << 26  # numbers held for the splits that are trained together: 256 MB in float32


class _Found(NamedTuple):
    """What the probe of one split says of all nodes."""

    predicted: Tensor  # [N]
    C: float | None  # its strength, where one is chosen
    probability: np.ndarray  # [C, N], or what has its order in every class


def linear_probe(
    z: Any,
    y: Any,
    *,
    protocol: str | Protocol = "random-10-10-80",
    data: Any = None,
    splits: Splits | None = None,
    Cs: Sequence[float] | None = None,
    seed: int = 0,
) -> Result:
    """Accuracy of a linear classifier on frozen embeddings, under a named protocol.

    | protocol | nodes for training, validation, test | rows | classifier | selection |
    | --- | --- | --- | --- | --- |
    | `random-10-10-80` | 20 random splits | l2 | multinomial, L-BFGS to convergence | C on val |
    | `random-20-30-rest` | 100 random splits, 20 and 30 a class | l2 | the same | C on val |
    | `public` | the masks of the data | l2 | the same | C on val |
    | `<one of these three>-raw` | the same | raw, one scale | the same | C of 9 on val |
    | `e1` (GRACE, G-BT) | 20 random splits 10/0/90 | l2 | one-vs-rest, liblinear | C by CV |
    | `e1-public` | the masks of the data | l2 | one-vs-rest, liblinear | C by CV |
    | `e2` (GCA, CSGCL) | 20 random splits 10/10/80 | raw | Adam, 3000 epochs | epoch on val |
    | `e3` (DGI, MVGRL) | the masks of the data, 50 probes | raw | Adam, 100 steps | none |

    Nothing is ever selected on the test part. A protocol `-raw` is a second opinion: it takes rows
    as they are, where length counts, divided all by one number, the root mean square of their
    distances from their mean. So its `C`, from 1e-3 to 1e5, means the same for every embedding:
    scikit-learn's on the rows as they are is C divided by the square of that number.

    Args:
        z: Embeddings `[N, D]`: a tensor, sparse too, an array or a SciPy matrix. Raw features work.
        y: Integer labels `[N]` from 0 on, with gaps or without; -1 for a node without a label,
            which is in no part of a random split. Or several targets `[N, T]`, T > 1, each 0 or 1,
            and NaN or -1 where unknown; then each has a logistic regression of its own, under one
            of the first protocols without a number a class.
        protocol: A name of the table, or a `Protocol` of your own.
        data: Where `public`, `e1-public` and `e3` find `train_mask`, `val_mask` and `test_mask`.
        splits: Splits to use in place of the protocol's; then the line printed with the number
            has their name in place of the protocol's.
        Cs: Strengths to choose from in place of the protocol's; scikit-learn's `C`.
        seed: Seed of the splits and of the classifier; no global generator is touched.

    Returns:
        `accuracy`, `micro_f1`, `macro_f1`, `auc`, `average_precision`, `val_accuracy` and their
        `_std` over splits, as fractions, and `largest_class`, what the most frequent class of the
        test part alone gives; `per_run` has the single splits, and the chosen `C`. `auc` and
        `average_precision` are of the second class where there are two, else the mean over classes
        of one against the rest; they are left out where a test part holds one class, and
        `val_accuracy` where there is no validation part. Of several targets all are means over
        targets but `micro_f1`, which counts all decisions; there is no `C`.

    Raises:
        TypeError: if y is missing or z is no matrix.
        ValueError: if labels, splits or strengths do not fit.

    Example:
        >>> y = torch.arange(200) % 2
        >>> result = linear_probe(torch.randn(200, 8) + 4 * y.unsqueeze(1), y)
        >>> result.protocol
        'random-10-10-80: 20 splits, l2 rows, L-BFGS, C of 6 on validation'
        >>> result["accuracy"] > 0.9
        True
    """
    table = look_up(protocol)
    x = as_matrix(z, "linear_probe", l2=table.l2 and table.classifier != "liblinear")
    targets, labels, names = _labels(table, y, x.shape[0])
    splits = choose_splits(table, splits, data, labels, seed)
    strengths = _strengths(table, splits, Cs)
    if table.classifier == "lbfgs" and not table.l2:
        x = of_one_scale(x)
    own = splits.name == _own_name(table)
    line = table.describe(splits.name, len(splits), len(strengths), own=own)
    if targets is not None:
        runs, largest = probe_targets(x, targets, splits, strengths)
        line += f" by likelihood, mean over {targets.shape[1]} targets"
    else:
        found = _probes(table, x, labels.clamp(min=0), splits, strengths, len(names), seed)
        runs, largest = _scores(found, labels, splits)
    chosen = runs.pop("C", None)
    result = Result.from_runs(runs, line + told_labelled(labels))
    result["largest_class"] = largest
    if chosen:
        result.per_run["C"] = chosen
    return result


def probed_splits(y: Any, protocol: str | Protocol, data: Any = None) -> Splits:
    """The splits that `linear_probe` takes, with its complaints of labels, masks and protocol.

    For what trains first and is measured later.

    Raises:
        TypeError, ValueError: what `linear_probe` would raise.
    """
    table = look_up(protocol)
    targets, labels, _ = _labels(table, y, len(y))
    splits = choose_splits(table, None, data, labels, 0)
    _strengths(table, splits, None)
    if table.classifier == "liblinear":
        for train in splits.train:
            check_folds(labels[train].numpy())
    if targets is not None:
        for target, column in enumerate(targets.unbind(1)):
            known(splits, column, target)
    return splits


def _labels(table: Protocol, y: Any, rows: int) -> tuple[Tensor | None, Tensor, list[int]]:
    """Several targets a node if that is what y is, codes of classes, and the label of each."""
    targets = as_targets(y, rows, "linear_probe")
    if targets is None:
        return None, *as_labels(y, rows, "linear_probe")
    _check_for_targets(table)
    return targets, labelled(targets), []


def _scores(
    found: Iterator[_Found], y: Tensor, splits: Splits
) -> tuple[dict[str, list[float]], float]:
    """By name a number a split, and what the largest class of the test part alone gives."""
    predicted, chosen, areas = [], [], []
    for probe, test in zip(found, splits.test, strict=True):
        predicted.append(probe.predicted)
        chosen += [] if probe.C is None else [probe.C]
        areas.append(ranking(probe.probability[:, test.numpy()], y[test].numpy()))
    guess = torch.stack(predicted)
    accuracy = split_accuracy(guess, y, splits.test)
    runs = {
        "accuracy": accuracy,
        "micro_f1": accuracy,  # one label a node: the two are the same number
        "macro_f1": split_macro_f1(guess, y, splits.test),
    }
    if not np.isnan(areas).any():
        runs["auc"], runs["average_precision"] = map(list, zip(*areas, strict=True))
    if bool(splits.val.any(1).all()):
        runs["val_accuracy"] = split_accuracy(guess, y, splits.val)
    runs["C"] = chosen
    return runs, float(np.mean(split_largest_class(y, splits.test)))


def _check_for_targets(table: Protocol) -> None:
    if table.classifier != "lbfgs" or table.by_class:
        names = [n for n, p in PROTOCOLS.items() if p.classifier == "lbfgs" and not p.by_class]
        raise ValueError(
            f"linear_probe: protocol {table.name!r} is for one class a node, and y has several "
            f"targets; choose one of {', '.join(names)}."
        )


def look_up(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise ValueError(
            f"linear_probe: unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol]


def choose_splits(
    protocol: Protocol, splits: Splits | None, data: Any, y: Tensor, seed: int
) -> Splits:
    """The splits of a protocol, over the nodes with a label: `y >= 0`, or a target known."""
    targets = as_targets(y, len(y), "linear_probe")
    y = y if targets is None else labelled(targets)
    if splits is None:
        if protocol.by_class and protocol.train is not None:
            sizes = int(protocol.train), int(protocol.val)
            splits = random_splits_by_class(y, *sizes, protocol.runs, seed)
        elif protocol.train is not None:
            shares = protocol.train, protocol.val
            splits = random_splits(len(y), *shares, protocol.runs, seed, among=y >= 0)
        elif data is not None:
            splits = public_split(data)
        else:
            raise ValueError(
                f"linear_probe: protocol {protocol.name!r} needs the masks of the data set; pass "
                "data=data, or splits=."
            )
    check_splits("linear_probe", splits, y)
    if protocol.train is None and protocol.runs > 1:  # several probes of every split
        times = (protocol.runs, 1)
        return Splits(
            splits.name, splits.train.repeat(times), splits.val.repeat(times),
            splits.test.repeat(times),
        )  # fmt: skip
    return splits


def _strengths(table: Protocol, splits: Splits, Cs: Sequence[float] | None) -> list[float]:
    """The strengths to choose from, on splits that allow the choice."""
    if Cs is not None and table.classifier == "adam":
        raise ValueError(f"linear_probe: protocol {table.name!r} has no penalty; leave Cs out.")
    selects = table.classifier == "lbfgs" or table.select
    if selects and not bool(splits.val.any(1).all()):
        raise ValueError(
            f"linear_probe: protocol {table.name!r} selects on validation nodes, and "
            f"{splits.name!r} has none; give every split some, or use protocol 'e1'."
        )
    return list(table.Cs) if Cs is None else as_strengths("linear_probe", "Cs", Cs)


def _own_name(table: Protocol) -> str:
    """What the splits are called that the name of a protocol promises."""
    if table.train is None:
        return "public"
    if table.by_class:
        return by_class_name(int(table.train), int(table.val))
    return random_name(table.train, table.val)


def _probes(
    table: Protocol,
    x: Matrix,
    y: Tensor,
    splits: Splits,
    strengths: list[float],
    num_classes: int,
    seed: int,
) -> Iterator[_Found]:
    """The probe of every split, one after the other."""
    if table.classifier == "liblinear":
        options: dict[str, Any] = {"num_classes": num_classes, "l2": table.l2}
        for probability, C in fit_one_vs_rest(x, y, splits.train, strengths, **options):
            yield _Found(torch.from_numpy(probability.argmax(1)), C, probability.T)
    elif table.classifier == "lbfgs":
        fit = fit_chosen(x, y, splits, strengths, num_classes=num_classes)
        for scores, C in zip(scores_of(x, fit.weight, fit.bias), fit.Cs, strict=True):
            yield _from_scores(scores, C)
    else:
        for scores in _adam(x, y, splits, table, seed):
            yield _from_scores(scores, None)


def _adam(x: Matrix, y: Tensor, splits: Splits, protocol: Protocol, seed: int) -> Iterator[Tensor]:
    rows = int((splits.train | splits.val).sum(1).max())
    step = max(1, BUDGET // (rows * x.shape[1]))
    for start in range(0, len(splits), step):
        part = slice(start, start + step)
        weight, bias = fit_adam(
            x, y, splits.train[part], splits.val[part],
            epochs=protocol.epochs, select=protocol.select, seed=seed + start,
        )  # fmt: skip
        yield from scores_of(x, weight, bias)


def _from_scores(scores: Tensor, C: float | None) -> _Found:
    # Logarithms, in float64: sure nodes must keep their order.
    probability = scores.double().log_softmax(0).cpu().numpy()
    # max() finds the position several times faster than argmax() on the CPU
    return _Found(scores.max(0).indices.cpu(), C, probability)
