"""Time the batched linear probe against scikit-learn, one split after another.

    python benchmarks/speed/probe.py                # GRACE on Cora, trained here (under a minute)
    python benchmarks/speed/probe.py --smoothed     # A_hat^2 x of Cora, where scikit-learn is quick
    python benchmarks/speed/probe.py --z z.npy --y y.npy --threads 2 --json

Everybody gets the same splits, the same l2-normalised rows and the same strengths, in one process,
taking turns; the ratio is between medians. With one thread CPU seconds are compared, which
neighbours on the machine disturb little; with more, wall-clock seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits
from torch_geometric.seed import seed_everything

import gcl
from gcl.evaluate import PROTOCOLS, Splits, linear_probe, random_splits

PROTOCOL = "random-10-10-80"
STRENGTHS = list(PROTOCOLS[PROTOCOL].Cs)
OURS = "gcl, batched L-BFGS"


def smoothed(x: np.ndarray, edge_index: np.ndarray, width: int = 128) -> np.ndarray:
    """The leading components of A_hat^2 x: what an untrained two-layer GCN could know."""
    n = len(x)
    row, col = np.concatenate([edge_index, np.tile(np.arange(n), (2, 1))], axis=1)
    adjacency = csr_array((np.ones(len(row)), (row, col)), shape=(n, n))
    scale = diags_array(adjacency.sum(1) ** -0.5)
    adjacency = scale @ adjacency @ scale
    width = min(width, min(x.shape) - 1)
    smooth = adjacency @ (adjacency @ x.astype(np.float64))
    left, values, _ = svds(smooth, width, v0=np.ones(min(x.shape)))
    return (left * values).astype(np.float32)


def load(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, str]:
    """Embeddings, labels and what to call them."""
    if args.z is not None:
        return np.load(args.z), np.load(args.y), str(args.z)
    if args.synthetic:
        rng = np.random.default_rng(0)
        y = rng.integers(0, 7, 2708)
        centres, noise = rng.normal(size=(7, 128)), rng.normal(size=(2708, 128))
        return (centres[y] + 3 * noise).astype(np.float32), y, "synthetic"
    data = gcl.datasets.load("cora")
    if not args.smoothed:
        seed_everything(0)
        method = gcl.methods.grace(data, normalize=False, undirected=False)
        gcl.fit(method, data, epochs=150, lr=5e-4)
        return gcl.embed(method, data).numpy(), data.y.numpy(), "GRACE on Cora, 150 epochs"
    x = data.x.to_dense() if data.x.layout != torch.strided else data.x
    x = x / x.sum(1, keepdim=True).clamp(min=1)
    return smoothed(x.numpy(), data.edge_index.numpy()), data.y.numpy(), "A_hat^2 x of Cora"


def by_validation(x: np.ndarray, y: np.ndarray, splits: Splits) -> float:
    """The strictest peer: a bare loop over the strengths, nothing refitted."""
    accuracy = []
    for train, val, test in zip(*(m.numpy() for m in masks(splits)), strict=True):
        best, best_score = None, -1.0
        for c in STRENGTHS:
            model = LogisticRegression(C=c, max_iter=5000).fit(x[train], y[train])
            score = model.score(x[val], y[val])
            if score > best_score:
                best, best_score = model, score
        assert best is not None
        accuracy.append(best.score(x[test], y[test]))
    return float(np.mean(accuracy))


def by_grid_search(x: np.ndarray, y: np.ndarray, splits: Splits) -> float:
    """GridSearchCV on the validation part, then one fit on the training part."""
    accuracy = []
    for train, val, test in zip(*(m.numpy() for m in masks(splits)), strict=True):
        fold = PredefinedSplit(np.where(val, 0, -1)[train | val])
        model = LogisticRegression(max_iter=5000)
        search = GridSearchCV(model, {"C": STRENGTHS}, cv=fold, refit=False)
        search.fit(x[train | val], y[train | val])
        model.set_params(**search.best_params_).fit(x[train], y[train])
        accuracy.append(model.score(x[test], y[test]))
    return float(np.mean(accuracy))


def by_cross_validation(x: np.ndarray, y: np.ndarray, splits: Splits) -> float:
    """GridSearchCV with 5 folds of the training part, as the papers' evaluators call it."""
    accuracy = []
    for train, _, test in zip(*(m.numpy() for m in masks(splits)), strict=True):
        search = GridSearchCV(LogisticRegression(max_iter=5000), {"C": STRENGTHS}, cv=5)
        search.fit(x[train], y[train])
        accuracy.append(search.score(x[test], y[test]))
    return float(np.mean(accuracy))


def masks(splits: Splits) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return splits.train, splits.val, splits.test


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--z", type=Path, help="embeddings, .npy [N, D]; default: Cora")
    parser.add_argument("--y", type=Path, help="labels, .npy [N]")
    parser.add_argument("--smoothed", action="store_true", help="A_hat^2 x of Cora, not GRACE")
    parser.add_argument("--synthetic", action="store_true", help="Gaussian classes, no data set")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args(argv)
    if (args.z is None) != (args.y is None):
        parser.error("--z and --y go together")
    z, y, name = load(args)
    splits = random_splits(len(y), num_splits=args.splits)
    x = normalize(z)
    peers: dict[str, Callable[[], float]] = {
        OURS: lambda: linear_probe(z, y, protocol=PROTOCOL, splits=splits)["accuracy"],
        "scikit-learn, loop over C": lambda: by_validation(x, y, splits),
        "scikit-learn, GridSearchCV on validation": lambda: by_grid_search(x, y, splits),
        "scikit-learn, GridSearchCV 5-fold": lambda: by_cross_validation(x, y, splits),
    }
    clock = time.process_time if args.threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    accuracy: dict[str, float] = {}
    torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads):
        peers[OURS]()  # the first call of a kernel loads it
        for _ in range(args.repeats):
            for peer, run in peers.items():
                start = clock()
                accuracy[peer] = run()
                seconds[peer].append(clock() - start)
    median = {peer: statistics.median(times) for peer, times in seconds.items()}
    rows = [
        {
            "probe": peer,
            "seconds": median[peer],
            "ratio": median[peer] / median[OURS],
            "accuracy": accuracy[peer],
        }
        for peer in peers
    ]
    unit = "CPU s" if args.threads == 1 else "wall s"
    setting = {
        "embeddings": name,
        "shape": list(z.shape),
        "splits": args.splits,
        "Cs": STRENGTHS,
        "threads": args.threads,
        "clock": unit,
        "repeats": args.repeats,
    }
    if args.json:
        json.dump({**setting, "rows": rows}, sys.stdout, indent=2)
        print()
        return 0
    title = f"{name} {z.shape[0]} x {z.shape[1]}, {args.splits} splits x {len(STRENGTHS)} strengths"
    table = Table("probe", unit, "ratio", "accuracy", title=f"{title}, {args.threads} thread(s)")
    for row in rows:
        table.add_row(
            row["probe"], f"{row['seconds']:.3f}", f"{row['ratio']:.1f}x", f"{row['accuracy']:.4f}"
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
