"""What stands beside every training: raw and propagated features, and a supervised GCN."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData
from torch_geometric.loader import DataLoader

from gcl import baselines, evaluate
from gcl.datasets import GraphSet
from gcl.evaluate.linear_probe import choose_splits, look_up
from gcl.experiments.run import (
    Run,
    as_row,
    has_classes,
    has_labels,
    labelled_nodes,
    labels_of,
    measure,
    protocol_of,
)
from gcl.graphs.features import take_rows
from gcl.graphs.rows import counted_rows, with_counted_labels
from gcl.nn.readouts import sum_readout

RAW, PROPAGATED, SUPERVISED = "raw features", "propagated", "supervised GCN"
NO_TRAINING = -1  # the seed of rows that no training made


def reference_rows(run: Run, data: Any, cluster: bool = True) -> list[dict[str, Any]]:
    """The rows that no training made; none where there are no labels."""
    return [*raw_rows(run, data, cluster), *propagated_rows(run, data, cluster)]


def raw_rows(run: Run, data: Any, cluster: bool = True) -> list[dict[str, Any]]:
    """The measurements of the input features; of graphs, of the sums over their nodes.

    None where nodes with labels have no features, and where there are no labels.
    """
    x = _features(data)
    if x is None:
        return []
    return [{"seed": NO_TRAINING, "features": RAW, **measure(run, x, data, cluster)}]


def propagated_rows(run: Run, data: Any, cluster: bool = True) -> list[dict[str, Any]]:
    """The measurements of propagated features, with the CPU seconds they took: no step of training.

    Hops and kind are chosen on the validation nodes of each split, see
    `gcl.baselines.propagated_probe`; k-means reads those of its fixed rule. None where features
    or labels are missing.
    """
    if _features(data) is None:
        return []
    protocol, second = protocol_of(run, data), f"{protocol_of(run, data)}-raw"
    started = time.process_time()
    found = baselines.propagated_probe(data, protocol=protocol)
    row = {"seed": NO_TRAINING, "features": PROPAGATED, **as_row(found)}
    row["cpu_seconds"] = time.process_time() - started
    if protocol in evaluate.PROTOCOLS:
        shown = with_counted_labels(data)
        row["test_over_train"] = choose_splits(look_up(protocol), None, shown, shown.y, 0).ratio
    if second in evaluate.PROTOCOLS:
        raw = baselines.propagated_probe(data, protocol=second)
        row |= {f"raw_rows_{key}": raw[key] for key in ("accuracy", "accuracy_std")}
    if cluster and has_classes(data):
        groups = evaluate.cluster(baselines.propagated_features(data, columns=64), labels_of(data))
        row |= {f"cluster_{key}": value for key, value in groups.items()}
    return [row]


def supervised_row(run: Run, data: Any, seed: int) -> dict[str, Any]:
    """What a GCN reaches under the run's protocol that trains on the labels."""
    started = time.process_time()
    found = baselines.supervised_gcn(data, protocol=protocol_of(run, data), seed=1000 * seed)
    cost = {"cpu_seconds": time.process_time() - started}
    return {"seed": seed, "features": SUPERVISED, **as_row(found), **cost}


def verdict(rows: Sequence[dict[str, Any]], recipe: str) -> str:
    """One sentence: by how much training beats propagation, or that it does not.

    The deviation is that of the difference over splits, or over seeds where there is one split.

    Args:
        rows: those of `gcl train`.
        recipe: whose training it is about.

    Returns:
        the sentence; empty where a row is missing.
    """
    trained = [row for row in rows if row["features"] == recipe]
    reference = [row for row in rows if row["features"] == PROPAGATED]
    if not trained or not reference:
        return ""
    ours = np.array([float(row["accuracy"]) for row in trained])
    other = float(reference[0]["accuracy"])
    spread = deviation(trained, reference[0])
    gain = 100 * (ours.mean() - other)
    told = f"{100 * ours.mean():.1f} against {100 * other:.1f}"
    beside = "" if spread is None else f", deviation of the difference {100 * spread:.1f}"
    if gain <= 0:
        return f"Training does not beat propagated features: {told}{beside}."
    if spread is not None and gain <= 100 * spread:
        return (
            f"Training beats propagated features by {gain:.1f} points, within the deviation: "
            f"{told}{beside}."
        )
    return f"Training beats propagated features by {gain:.1f} points: {told}{beside}."


def differences(trained: Sequence[dict[str, Any]], reference: dict[str, Any]) -> np.ndarray | None:
    """Accuracy of each training minus that of the reference, split by split `[seeds, splits]`.

    None where a row does not tell its splits, or other ones.
    """
    ours = [splits_of(row) for row in trained]
    other = splits_of(reference)
    if not other or any(len(one) != len(other) for one in ours):
        return None
    return np.array(ours) - np.array(other)


def deviation(trained: Sequence[dict[str, Any]], reference: dict[str, Any]) -> float | None:
    """Of the difference to a reference, over splits, or over seeds where there is one split."""
    found = differences(trained, reference)
    if found is None:
        return None
    over = found.mean(0) if found.shape[1] > 1 else found[:, 0]
    return float(over.std(ddof=1)) if len(over) > 1 else None


def splits_of(row: dict[str, Any]) -> list[float]:
    """The accuracies of the single splits that a row tells, or the one of its only split."""
    found = [float(value) for value in str(row.get("accuracies") or "").split()]
    if not found and row.get("accuracy_std") in (0.0, "0.0"):
        return [float(row["accuracy"])]
    return found


def _features(data: Any) -> torch.Tensor | None:
    if not has_labels(data):
        return None
    if not isinstance(data, GraphSet):
        found: torch.Tensor | None = labelled_nodes(data).get("x")
        if found is None or isinstance(data, HeteroData):
            return found
        rows = counted_rows(torch.arange(len(found), device=found.device), data)
        return found if len(rows) == len(found) else take_rows(found, rows)
    if data.x is None:
        return None
    batches = DataLoader(data, 128)
    return torch.cat([sum_readout(b.x, b.batch, b.num_graphs) for b in batches])
