"""Forms of training against the size of the graph: time, memory and accuracy of each.

    python benchmarks/scale/forms.py --nodes 10000 100000 1000000
    python benchmarks/scale/forms.py --plot docs/_static/scale-forms.png

GRACE on random graphs of communities with ten edges a node, one thread a process; several share the
batch. Every row of the
results file is made by a process of its own, or by two under torchrun; rows that are there are left
alone, and one that was interrupted goes on from its last checkpoint. Seconds an epoch are medians;
`anonymous_mb` is the most that a process held, the graph and its making included, `all_mb` that of
all processes. Accuracy is that of a linear probe on 20,000 nodes, a tenth of them for training;
`propagated_accuracy` that of the features propagated three times.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from feeds import Peak, Used, built, forms
from torch_geometric.seed import seed_everything

import gcl
from gcl.callbacks import Checkpoint, CSVLog, ProgressBar
from gcl.experiments.results import Results, read_rows
from gcl.ops.smoothing import smooth

PROBED = 20_000
# Of a full batch with exact negatives time grows with the square of the nodes.
LARGEST = {"full": 20_000}
IN_TWO = ("neighbors", "parts", "random-parts", "propagated")
NEEDS = ("form", "nodes", "processes", "epochs", "cpu_s", "anonymous_mb", "accuracy")


def graph(nodes: int) -> Any:
    """Ten communities, six of ten edges of a node within, features that say little alone."""
    return gcl.datasets.sbm(nodes, 10, degree=10, num_features=64, homophily=0.6, noise=8.0)


def one(chosen: argparse.Namespace) -> None:
    """Train in one form, measure, and write the row."""
    torch.set_num_threads(1)
    with gcl.distributed.processes() as rank:
        size = gcl.distributed.launched()
        memory = Peak()
        memory.start()
        (nodes,) = chosen.nodes
        (name,) = chosen.form
        data = graph(nodes)
        folder = chosen.work / f"{name}-{nodes}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        form = forms(chosen.batch_size // size, folder if size == 1 else None)[name]
        seed_everything(chosen.seed)
        options = {"hidden": chosen.hidden, "proj": chosen.hidden, "normalize": False}
        method = built(form, "grace", data, **options)
        started = time.process_time()
        fed = form.feed(method, data, chosen.seed)
        made = time.process_time() - started
        saved = folder / "checkpoint.safetensors"
        state = gcl.fit(
            method,
            fed,
            epochs=chosen.epochs,
            lr=1e-3,
            callbacks=[
                used := Used(),
                ProgressBar(f"{name}, {nodes:,} nodes"),
                CSVLog(folder / "log.csv", every=1),
                Checkpoint(saved, every=1, every_steps=100),
            ],
            resume=saved if saved.exists() else None,
        )
        held = max(memory.mb(), used.memory.most)
        peaks = [held] * size
        if size > 1:
            dist.all_gather_object(peaks, held)
        if rank == 0:
            write(chosen, name, nodes, size, state, data, made, peaks)
        if size > 1:
            dist.barrier()


def write(
    chosen: argparse.Namespace,
    name: str,
    nodes: int,
    size: int,
    state: Any,
    data: Any,
    made: float,
    peaks: list[float],
) -> None:
    with gcl.distributed.alone():
        z = gcl.embed(state.method, data, batch_size=65_536)
    some = slice(0, PROBED)
    y = data.y[some]
    splits = gcl.evaluate.random_splits(len(y), seed=0, num_splits=1)
    smoothed = smooth(data.x, data.edge_index, hops=3, keep="last")
    scores = [
        100 * gcl.evaluate.linear_probe(rows[some], y, splits=splits)["accuracy"]
        for rows in (z, smoothed)
    ]
    figures = {
        "edges": data.num_edges,
        "batches": state.step // state.epoch,
        "seconds": statistics.median(row["seconds"] for row in state.history),
        "cpu_s": statistics.median(row["cpu"] for row in state.history),
        "before_s": made,
        "anonymous_mb": max(peaks),
        "all_mb": sum(peaks),
        "loss": state.loss,
        "accuracy": scores[0],
        "propagated_accuracy": scores[1],
    }
    shown = {key: round(v, 4) if isinstance(v, float) else v for key, v in figures.items()}
    Results(chosen.out, NEEDS).add(key_of(chosen, name, nodes, size), shown)
    print(f"{name}, {nodes:,} nodes, {size} process(es): {shown}")


def key_of(chosen: argparse.Namespace, name: str, nodes: int, size: int) -> dict[str, Any]:
    return {
        "form": name, "nodes": nodes, "processes": size, "epochs": chosen.epochs,
        "batch_size": chosen.batch_size, "hidden": chosen.hidden, "seed": chosen.seed,
    }  # fmt: skip


def every(chosen: argparse.Namespace) -> None:
    """All rows that are not there yet, each in processes of its own."""
    for nodes in chosen.nodes:
        for name in chosen.form:
            if nodes > LARGEST.get(name, nodes):
                continue
            for size in chosen.processes:
                if size > 1 and name not in IN_TWO:
                    continue
                key = key_of(chosen, name, nodes, size)
                if Results(chosen.out, NEEDS).find(key):
                    continue
                start = [sys.executable]
                if size > 1:
                    start += ["-m", "torch.distributed.run", "--standalone",
                              f"--nproc-per-node={size}"]  # fmt: skip
                told = [
                    "--one", "--nodes", nodes, "--form", name, "--epochs", chosen.epochs,
                    "--batch-size", chosen.batch_size, "--hidden", chosen.hidden,
                    "--seed", chosen.seed,
                    "--out", chosen.out, "--work", chosen.work,
                ]  # fmt: skip
                subprocess.run(
                    [*start, __file__, *map(str, told)],
                    check=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )


def plot(source: Path, target: Path) -> None:
    """CPU seconds an epoch and memory against nodes, a line a form."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = read_rows(source, NEEDS)
    for name in forms(1):
        for size, style in ((1, "o-"), (2, "s--")):
            line = sorted(
                (int(row["nodes"]), float(row["cpu_s"]), float(row["all_mb"]) / 1e3)
                for row in rows
                if row["form"] == name and int(row["processes"]) == size
            )
            if not line:
                continue
            color = f"C{list(forms(1)).index(name)}"
            label = name if size == 1 else None
            for axis, values in zip(axes, list(zip(*line, strict=True))[1:], strict=True):
                axis.plot([row[0] for row in line], values, style, color=color, label=label)
    titles = ("CPU seconds an epoch, of a process", "anonymous memory in GB, of all")
    for axis, what in zip(axes, titles, strict=True):
        axis.set(xscale="log", yscale="log", xlabel="nodes", ylabel=what)
        axis.grid(alpha=0.3)
    axes[0].legend(title="one process; dashed: two", frameon=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--form", nargs="+", choices=list(forms(1)), default=list(forms(1)))
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=2048, help="of all processes")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scale-forms.csv"))
    parser.add_argument("--work", type=Path, default=Path("scale"), help="folder of checkpoints")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plot", type=Path, help="draw what the results file has, and end")
    chosen = parser.parse_args(arguments)
    if chosen.plot is not None:
        plot(chosen.out, chosen.plot)
    elif chosen.one:
        one(chosen)
    else:
        every(chosen)


if __name__ == "__main__":
    main()
