"""The linear probe: how much of the labels a linear classifier reads off frozen embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from torch import Tensor

from gcl.checks import as_strengths
from gcl.evaluate.classifiers.adam_probe import fit_adam, padded_index
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.inputs import Matrix, as_labels, as_matrix, take
from gcl.evaluate.protocols import PROTOCOLS, Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.scores import split_accuracy, split_macro_f1
from gcl.evaluate.splits import (
    Splits,
    check_splits,
    public_split,
    random_name,
    random_splits,
)

BUDGET = 1 << 26  # numbers held for the splits that are solved together: 256 MB in float32


class _Probes(NamedTuple):
    predicted: Tensor  # [S, N], a class for every node
    chosen: list[float]  # the strength of each split, where one is chosen


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
    | `public` | the masks of the data | l2 | the same | C on val |
    | `e1` (GRACE, G-BT) | 20 random splits 10/0/90 | l2 | one-vs-rest, liblinear | C by CV |
    | `e1-public` | the masks of the data | l2 | one-vs-rest, liblinear | C by CV |
    | `e2` (GCA, CSGCL) | 20 random splits 10/10/80 | raw | Adam, 3000 epochs | epoch on val |
    | `e3` (DGI, MVGRL) | the masks of the data, 50 probes | raw | Adam, 100 steps | none |

    Nothing is ever selected on the test part.

    Args:
        z: Embeddings `[N, D]`: a tensor, sparse too, an array or a SciPy matrix. Raw features work.
        y: Integer labels `[N]`; they may start anywhere and have gaps.
        protocol: A name of the table, or a `Protocol` of your own.
        data: Where `public` and `e3` find `train_mask`, `val_mask` and `test_mask`.
        splits: Splits to use in place of the protocol's; then the line printed with the number
            has their name in place of the protocol's.
        Cs: Strengths to choose from in place of the protocol's; scikit-learn's `C`.
        seed: Seed of the splits and of the classifier; no global generator is touched.

    Returns:
        `accuracy`, `micro_f1`, `macro_f1`, `val_accuracy` and their `_std` over splits, as
        fractions; `per_run` has the single splits, and the chosen `C`. `val_accuracy` is left out
        without a validation part.

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
    x = as_matrix(z, "linear_probe", l2=table.l2)
    labels, _ = as_labels(y, x.shape[0], "linear_probe")
    splits = choose_splits(table, splits, data, x.shape[0], seed)
    if Cs is not None and table.classifier == "adam":
        raise ValueError(f"linear_probe: protocol {table.name!r} has no penalty; leave Cs out.")
    strengths = list(table.Cs) if Cs is None else as_strengths("linear_probe", "Cs", Cs)
    selects = table.classifier == "lbfgs" or table.select
    if selects and not bool(splits.val.any(1).all()):
        raise ValueError(
            f"linear_probe: protocol {table.name!r} selects on validation nodes, and "
            f"{splits.name!r} has none; give every split some, or use protocol 'e1'."
        )
    if table.classifier == "lbfgs":
        probes = _lbfgs(x, labels, splits, strengths)
    elif table.classifier == "liblinear":
        probes = _liblinear(x, labels, splits, strengths, seed)
    else:
        probes = _adam(x, labels, splits, table, seed)
    accuracy = split_accuracy(probes.predicted, labels, splits.test)
    runs = {
        "accuracy": accuracy,
        "micro_f1": accuracy,  # one label a node: the two are the same number
        "macro_f1": split_macro_f1(probes.predicted, labels, splits.test),
    }
    if bool(splits.val.any(1).all()):
        runs["val_accuracy"] = split_accuracy(probes.predicted, labels, splits.val)
    own = "public" if table.train is None else random_name(table.train, table.val)
    line = table.describe(splits.name, len(splits), len(strengths), own=splits.name == own)
    result = Result.from_runs(runs, line)
    if probes.chosen:
        result.per_run["C"] = probes.chosen
    return result


def look_up(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(
            f"linear_probe: unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol]


def choose_splits(
    protocol: Protocol, splits: Splits | None, data: Any, num_nodes: int, seed: int
) -> Splits:
    if splits is None:
        if protocol.train is not None:
            splits = random_splits(num_nodes, protocol.train, protocol.val, protocol.runs, seed)
        elif data is not None:
            splits = public_split(data)
        else:
            raise ValueError(
                f"linear_probe: protocol {protocol.name!r} needs the masks of the data set; pass "
                "data=data, or splits=."
            )
    check_splits("linear_probe", splits)
    if splits.num_nodes != num_nodes:
        raise ValueError(
            f"linear_probe: the splits are of {splits.num_nodes} nodes and the embeddings of "
            f"{num_nodes}; they must be of the same graph."
        )
    if protocol.train is None and protocol.runs > 1:  # several probes of every split
        times = (protocol.runs, 1)
        return Splits(
            splits.name, splits.train.repeat(times), splits.val.repeat(times),
            splits.test.repeat(times),
        )  # fmt: skip
    return splits


def _lbfgs(x: Matrix, y: Tensor, splits: Splits, strengths: list[float]) -> _Probes:
    """Every split and strength at once, as many splits at a time as the budget holds."""
    rows = int(splits.train.sum(1).max())
    num_classes = int(y.max()) + 1
    # Three copies of the rows, and half a dozen arrays of scores
    width = 3 * x.shape[1] + 6 * len(strengths) * num_classes
    step = max(1, BUDGET // (rows * width))
    predicted, chosen = [], []
    for start in range(0, len(splits), step):
        part = slice(start, start + step)
        index, kept = padded_index(splits.train[part])
        shape = (*index.shape, x.shape[1])
        train = take(x, index.flatten()).view(shape)
        labels, mask = y[index].to(train.device), kept.to(train.device)
        fit = fit_logistic(train, labels, mask, Cs=strengths, num_classes=num_classes)
        best = [
            _best_strength(x, y, mask, fit.weight[s], fit.bias[s])
            for s, mask in enumerate(splits.val[part])
        ]
        at = torch.arange(len(best)), torch.tensor(best)
        predicted.append(_predict(x, fit.weight[at], fit.bias[at]))
        chosen += [strengths[k] for k in best]
    return _Probes(torch.cat(predicted), chosen)


def _best_strength(x: Matrix, y: Tensor, val: Tensor, weight: Tensor, bias: Tensor) -> int:
    """Position of the most accurate strength on the validation nodes; the first of equals."""
    rows = val.nonzero().flatten()
    sample = x[rows.to(x.device)] if isinstance(x, Tensor) else x[rows.numpy()]
    hits = _predict(sample, weight, bias) == y[rows]
    return int(hits.sum(1).argmax())


def _predict(x: Matrix, weight: Tensor, bias: Tensor) -> Tensor:
    """Most likely class of every row under every model: `[M, D, C]`, `[M, C]` -> `[M, N]`."""
    step = max(1, BUDGET // (4 * x.shape[0] * bias.shape[1]))
    predicted = []
    for w, b in zip(weight.split(step), bias.split(step), strict=True):
        flat = w.transpose(0, 1).flatten(1)
        if isinstance(x, Tensor):
            scores = (flat.T @ x.T).view(*b.shape, -1)
        else:
            scores = torch.from_numpy(x @ flat.numpy()).T.reshape(*b.shape, -1)
        # max() finds the position several times faster than argmax() on the CPU
        predicted.append((scores + b.unsqueeze(2)).max(1).indices.cpu())
    return torch.cat(predicted)


def _liblinear(x: Matrix, y: Tensor, splits: Splits, strengths: list[float], seed: int) -> _Probes:
    """The evaluation of GRACE: one-vs-rest, the strength by 5-fold cross-validation."""
    rows: Any = x.cpu().numpy() if isinstance(x, Tensor) else sp.csr_matrix(x)
    labels = y.numpy()
    predicted, chosen = [], []
    for mask in splits.train.numpy():
        members = np.unique(labels[mask], return_counts=True)[1]
        if len(members) < 2 or members.max() < 5:
            raise ValueError(
                "linear_probe: 5-fold cross-validation needs training nodes of two classes, 5 of "
                f"one of them, got {members.tolist()} nodes of a class; use a larger training part."
            )
        base = LogisticRegression(solver="liblinear", random_state=seed)
        search = GridSearchCV(OneVsRestClassifier(base), {"estimator__C": strengths}, cv=5)
        with warnings.catch_warnings():
            # Rare classes have fewer members than folds; the papers' code accepts that too.
            warnings.simplefilter("ignore")
            search.fit(rows[mask], labels[mask])
        predicted.append(torch.from_numpy(search.predict(rows)))
        chosen.append(float(search.best_params_["estimator__C"]))
    return _Probes(torch.stack(predicted), chosen)


def _adam(x: Matrix, y: Tensor, splits: Splits, protocol: Protocol, seed: int) -> _Probes:
    rows = int((splits.train | splits.val).sum(1).max())
    step = max(1, BUDGET // (rows * x.shape[1]))
    predicted = []
    for start in range(0, len(splits), step):
        part = slice(start, start + step)
        weight, bias = fit_adam(
            x, y, splits.train[part], splits.val[part],
            epochs=protocol.epochs, select=protocol.select, seed=seed + start,
        )  # fmt: skip
        predicted.append(_predict(x, weight, bias))
    return _Probes(torch.cat(predicted), [])
