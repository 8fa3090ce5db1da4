"""The probe of HeCo, MEOW and AdaMEOW, and beside it one that does not depend on when it stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.checks import as_tensor, check_count, check_positive, check_real
from gcl.evaluate.classifiers.adam_probe import BestLayers, adam_steps
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.inputs import Matrix, as_labels, as_matrix, take, told_labelled
from gcl.evaluate.protocols import HETERO_PROTOCOLS, Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.splits import Splits, check_splits, random_splits_by_class


def hetero_probe(
    z: Any,
    data: HeteroData,
    *,
    protocol: str = "hetero-20",
    lr: float = 0.01,
    weight_decay: float = 0.0,
    probes: int = 50,
    seed: int = 0,
) -> Result:
    """Macro-F1, Micro-F1 and AUC under the protocol of the papers on heterogeneous graphs.

    `hetero-r` takes the public split with r labelled nodes a class, and `hetero-random`, for graphs
    without one, a random split for every probe, with 20 labelled nodes a class and 30 for
    validation, see `random_splits_by_class`. The papers' probe is a linear
    layer on the rows as they are, 200 full-batch steps of Adam, looked at after every step: each
    probe counts with its test Macro-F1 at the step of best validation Macro-F1, and with its test
    Micro-F1 and AUC at the step of best validation Micro-F1, the first of equals. The deviation is
    over probes, so it holds the luck of the classifier's start only. Under `converged_` stands the
    probe of protocol `public` on the same split: rows of length one, L-BFGS to convergence, the
    strength by validation accuracy.

    Args:
        z: Embeddings of the target nodes `[N, D]`, dense or sparse.
        data: The graph; one node type has `y` (-1 for a node without a label) and, but for
            `hetero-random`, the masks `train_mask_r`, `val_mask_r` and `test_mask_r`.
        protocol: `hetero-20`, `hetero-40`, `hetero-60` or `hetero-random`.
        lr: Step size of Adam, above 0. The papers tune it: for MEOW 0.03 on ACM, 0.01 on DBLP and
            IMDB, 0.1 on AMiner.
        weight_decay: L2 penalty of Adam, at least 0; for MEOW 8e-4 on AMiner, else 0.
        probes: Number of starts, at least 1; of random splits under `hetero-random`.
        seed: Seed of the starts and of the random splits, from generators of their own.

    Returns:
        `macro_f1`, `micro_f1`, `auc` (one against the rest, mean over classes), the same with
        `converged_`, and `_std` of the first three, or of all under `hetero-random`, as fractions.

    Raises:
        TypeError: data is no HeteroData.
        ValueError: unknown protocol, masks that are missing or do not fit, a number out of range.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning", KDD 2021. MEOW's IMDB counts training nodes that its lists repeat as often as
        they are there, this once.

    Example:
        >>> data = HeteroData()
        >>> data["paper"].y = torch.arange(90) % 3
        >>> part = torch.arange(90) // 3 % 3
        >>> for number, name in enumerate(("train", "val", "test")):
        ...     data["paper"][f"{name}_mask_20"] = part == number
        >>> result = hetero_probe(torch.eye(3)[data["paper"].y], data, probes=2)
        >>> result["macro_f1"], result["converged_auc"]
        (1.0, 1.0)
    """
    if not isinstance(data, HeteroData):
        raise TypeError(f"hetero_probe: expected a HeteroData, got {type(data).__name__}.")
    if protocol not in HETERO_PROTOCOLS:
        raise ValueError(
            f"hetero_probe: protocol must be one of {', '.join(HETERO_PROTOCOLS)}, got "
            f"{protocol!r}."
        )
    check_positive("hetero_probe", lr=lr)
    check_count("hetero_probe", probes=probes)
    check_real("hetero_probe", weight_decay=weight_decay)
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"hetero_probe: weight_decay must be at least 0, got {weight_decay}.")
    table = HETERO_PROTOCOLS[protocol]
    nodes = _target(data, protocol, table)
    x, unit = as_matrix(z, "hetero_probe"), as_matrix(z, "hetero_probe", l2=True)
    y, _ = as_labels(nodes.y, x.shape[0], "hetero_probe")
    if table.by_class and table.train is not None:
        sizes = int(table.train), int(table.val)
        splits, starts = random_splits_by_class(y, *sizes, probes, seed), 1
    else:
        splits, starts = _public_split(nodes, protocol), probes
    check_splits("hetero_probe", splits, y)
    runs: dict[str, list[float]] = {}
    for split, masks in enumerate(zip(splits.train, splits.val, splits.test, strict=True)):
        rows = [mask.nonzero().flatten() for mask in masks]
        parts = [(take(x, part), y[part]) for part in rows]
        _check_parts(parts, protocol)
        best_macro, best_micro = _adam_probes(
            parts, int(y.max()) + 1, table, lr, weight_decay, starts, seed + split
        )
        found = _score(best_micro, parts[2][1])
        found["macro_f1"] = _score(best_macro, parts[2][1])["macro_f1"]
        converged = _score(_converged(unit, y, rows, table), parts[2][1])
        found |= {f"converged_{name}": values for name, values in converged.items()}
        for name, values in found.items():
            runs.setdefault(name, []).extend(values)
    told = table.describe(splits.name, probes, 0)
    line = f"{told}, lr {lr:g}, weight decay {weight_decay:g}{told_labelled(y)}"
    result = Result.from_runs(runs, line)
    if len(splits) == 1:  # one fit: it has no deviation
        for name in [n for n in result if n.startswith("converged_") and n.endswith("_std")]:
            del result[name]
    return result


def _target(data: HeteroData, protocol: str, table: Protocol) -> Any:
    """The nodes with labels and, where the protocol wants them, masks."""
    few = protocol.removeprefix("hetero-")
    names = [] if table.by_class else [f"{part}_mask_{few}" for part in ("train", "val", "test")]
    for nodes in data.node_stores:
        if all(nodes.get(name) is not None for name in ("y", *names)):
            return nodes
    raise ValueError(
        f"hetero_probe: protocol {protocol!r} needs {', '.join(['y', *names])} at one node type; "
        "no type of this graph has them."
    )


def _public_split(nodes: Any, protocol: str) -> Splits:
    few = protocol.removeprefix("hetero-")
    names = [f"{part}_mask_{few}" for part in ("train", "val", "test")]
    masks = [as_tensor("hetero_probe", name, nodes[name]).detach().cpu() for name in names]
    for name, mask in zip(("train", "val", "test"), masks, strict=True):
        if not bool(mask.any()):
            raise ValueError(
                f"hetero_probe: the {name} mask of protocol {protocol!r} holds no node; all three "
                "parts of the split are needed."
            )
    return Splits(protocol, *(mask[None] for mask in masks))


def _check_parts(parts: list[tuple[Tensor, Tensor]], protocol: str) -> None:
    if len(parts[2][1].unique()) < 2:
        raise ValueError(
            f"hetero_probe: all test nodes of protocol {protocol!r} are of one class, which has no "
            "AUC; give a test mask with nodes of two classes."
        )


def _adam_probes(
    parts: list[tuple[Tensor, Tensor]],
    num_classes: int,
    table: Protocol,
    lr: float,
    weight_decay: float,
    probes: int,
    seed: int,
) -> list[Tensor]:
    """Test scores `[S, n, C]` of each probe at its step of best Macro-F1 and of best Micro-F1."""
    (x, y), (val, val_y), (test, _) = parts
    macro, micro = BestLayers(), BestLayers()
    steps = adam_steps(
        x[None],
        y.to(x.device)[None],
        x.new_full((1, len(y)), 1 / len(y)),
        num_layers=probes,
        num_classes=num_classes,
        epochs=table.epochs,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
    )
    for step, weight, bias in steps:
        if step:
            found = (val @ weight + bias).argmax(2).cpu()
            macro.look(_macro_f1(found, val_y).to(x), weight, bias)
            micro.look(_micro_f1(found, val_y).to(x), weight, bias)
    return [test @ best.weight + best.bias for best in (macro, micro)]


def _converged(x: Matrix, y: Tensor, rows: list[Tensor], table: Protocol) -> Tensor:
    """Test scores `[1, n, C]` of the regression whose strength is the best on validation."""
    train, val, test = (take(x, part) for part in rows)
    labels = y[rows[0]].to(train.device)[None]
    fit = fit_logistic(train[None], labels, Cs=table.Cs, num_classes=int(y.max()) + 1)
    weight, bias = fit.weight[0], fit.bias[0].unsqueeze(1)
    found = (val @ weight + bias).argmax(2).cpu()
    chosen = int(_micro_f1(found, y[rows[1]]).argmax())
    return (test @ weight[chosen] + bias[chosen])[None]


def _score(scores: Tensor, y: Tensor) -> dict[str, list[float]]:
    """The three measures of every probe from its scores of the test nodes."""
    found = scores.argmax(2).cpu()
    return {
        "macro_f1": _macro_f1(found, y).tolist(),
        "micro_f1": _micro_f1(found, y).tolist(),
        "auc": _auc(scores.softmax(2).cpu().numpy(), y.numpy()),
    }


def _micro_f1(found: Tensor, y: Tensor) -> Tensor:
    """Accuracy, which it equals where a node has one label: `[S, n]`, `[n]` -> `[S]`."""
    return (found == y).double().mean(1)


def _macro_f1(found: Tensor, y: Tensor) -> Tensor:
    """Mean F1 over the classes that occur among labels or predictions: `[S, n]`, `[n]` -> `[S]`."""
    classes = 1 + max(int(found.max()), int(y.max()))
    probe = torch.arange(len(found)).unsqueeze(1) * classes

    def count(keep: Tensor) -> Tensor:
        total = torch.bincount((found + probe)[keep], minlength=classes * len(found))
        return total.view(-1, classes).double()

    both = count(torch.ones_like(found, dtype=torch.bool)) + torch.bincount(y, minlength=classes)
    return (2 * count(found == y) / both.clamp(min=1)).sum(1) / (both > 0).sum(1)


def _auc(probability: np.ndarray, y: np.ndarray) -> list[float]:
    """Area under the ROC curve of each class against the rest, mean over classes with both."""
    ranks = rankdata(probability, axis=1)
    areas = []
    for label in range(probability.shape[2]):
        inside = y == label
        members, others = int(inside.sum()), int((~inside).sum())
        if members and others:
            total = ranks[:, inside, label].sum(1) - members * (members + 1) / 2
            areas.append(total / (members * others))
    return np.mean(areas, axis=0).tolist() if areas else [float("nan")] * len(probability)
