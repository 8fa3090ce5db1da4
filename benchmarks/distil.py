"""Nodes that come without edges: a trained method, and the student of features distilled from it.

    python benchmarks/distil.py cca_ssg/cora --seeds 3 --out distil-cora.csv

A share of the nodes is taken out before training. Teacher and student train on the graph of the
others; a classifier learns from some of those, and is tested on the nodes that were taken out: by
their features, by the teacher with their edges and without, and by the student, which asks for
none. One row a representation and seed is written, with the CPU time of a forward pass over the
whole graph; what the file has already is not run again.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from speed.measure import interleaved
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.seed import seed_everything

import gcl
from gcl.evaluate import Splits, linear_probe
from gcl.experiments.config import read_config
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, optimizer_class, options_digest
from gcl.training.loop import embed_prepared

CONFIGS = Path(__file__).parent / "configs"
SPLITS = 10  # of the classifier's nodes, a seed
ROWS = ("raw features", "teacher, edges known", "teacher, no edges", "student")


def taken_out(num_nodes: int, share: float, seed: int) -> Tensor:
    """The nodes that come later, as a mask."""
    order = torch.randperm(num_nodes, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(num_nodes, dtype=torch.bool)
    mask[order[: max(1, round(share * num_nodes))]] = True
    return mask


def splits_of(new: Tensor, seed: int) -> Splits:
    """A tenth of the other nodes to learn from, a tenth to choose on, all new ones to test."""
    generator = torch.Generator().manual_seed(seed)
    known = (~new).nonzero().flatten()
    tenth = max(1, len(known) // 10)
    train, val = torch.zeros(2, SPLITS, len(new), dtype=torch.bool).unbind()
    for split in range(SPLITS):
        order = known[torch.randperm(len(known), generator=generator)]
        train[split, order[:tenth]] = True
        val[split, order[tenth : 2 * tenth]] = True
    name = f"10/10 of the known nodes, tested on {int(new.sum())} new ones"
    return Splits(name, train, val, new.expand(SPLITS, -1))


def without_edges(data: Data, new: Tensor) -> Data:
    """The same nodes; the new ones have no edges."""
    source, target = data.edge_index
    return data.edge_subgraph(~(new[source] | new[target]))


def train(run: Run, data: Data, epochs: int, student_epochs: int) -> tuple[Any, Any]:
    """Teacher and student."""
    teacher = run.build(data)
    chosen = partial(optimizer_class(run.optimizer), lr=run.lr, weight_decay=run.weight_decay)
    warm = gcl.training.warmup_cosine(run.warmup, epochs) if run.warmup >= 0 else None
    gcl.fit(teacher, data, epochs=epochs, optimizer=chosen, scheduler=warm)
    student = gcl.methods.distil(teacher, data)
    gcl.fit(student, data, epochs=student_epochs)
    return teacher, student


def microseconds(method: Any, data: Data) -> float:
    """CPU time of a forward pass, a node."""
    prepared = method.eval().prepare(data)
    cost = interleaved({"": lambda: embed_prepared(method, prepared)}, repeats=7)
    return 1e3 * cost[""]["cpu_ms"] / len(data.y)


def measured(run: Run, data: Data, chosen: argparse.Namespace, seed: int) -> dict[str, dict]:
    """Accuracy and time of every representation."""
    new = taken_out(len(data.y), chosen.share, seed)
    seed_everything(seed)
    teacher, student = train(run, data.subgraph(~new), chosen.epochs, chosen.student_epochs)
    cut = without_edges(data, new)
    found = dict(zip(ROWS, (data.x, gcl.embed(teacher, data), gcl.embed(teacher, cut),
                            gcl.embed(student, cut)), strict=True))  # fmt: skip
    scores = {}
    for name, z in found.items():
        result = linear_probe(z, data.y, splits=splits_of(new, seed))
        scores[name] = {
            **{key: result[key] for key in ("accuracy", "accuracy_std")},
            "protocol": result.protocol,
        }
    cost = {name: microseconds(method, data) for name, method in
            (("teacher, edges known", teacher), ("student", student))}  # fmt: skip
    return {name: {**row, "us_a_node": cost.get(name, "")} for name, row in scores.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", help="<recipe>/<dataset>: the teacher")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.2, help="of the nodes that come later")
    parser.add_argument("--epochs", type=int, help="of the teacher, in place of the file's")
    parser.add_argument("--student-epochs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("distil.csv"))
    chosen = parser.parse_args(arguments)

    run = read_config(CONFIGS / f"{chosen.config}.toml")[0]
    chosen.epochs = run.epochs if chosen.epochs is None else chosen.epochs
    data = load_data(run)
    assert isinstance(data, Data)
    kept = Results(chosen.out, ("teacher", "representation", "seed", "accuracy", "us_a_node"))
    told = {"teacher": chosen.config, "options": options_digest(run), "share": chosen.share}
    told |= {"epochs": chosen.epochs, "student_epochs": chosen.student_epochs}
    shown: list[dict[str, Any]] = []
    for seed in range(chosen.seeds):
        keys = {name: {**told, "representation": name, "seed": seed} for name in ROWS}
        done = {name: kept.find(key) for name, key in keys.items()}
        if not all(done.values()):
            found = measured(run, data, chosen, seed)
            done = {name: done[name] or kept.add(keys[name], found[name]) for name in ROWS}
        shown += [{**row, "features": name} for name in ROWS for row in done[name]]
    show(chosen, shown)


def show(chosen: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    title = f"{chosen.config}: {chosen.share:.0%} of the nodes come after training"
    table = Table(title=f"{title}, {chosen.seeds} seeds")
    table.add_column("representation of the new nodes")
    for column in ("accuracy, %", "CPU microseconds a node"):
        table.add_column(column, justify="right")
    for name, means in summarize(rows, ["accuracy"]).items():
        times = [float(r["us_a_node"]) for r in rows if r["features"] == name and r["us_a_node"]]
        accuracy = f"{100 * means['accuracy']:.1f} ± {100 * means['accuracy_std']:.1f}"
        table.add_row(name, accuracy, f"{sum(times) / len(times):.1f}" if times else "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
