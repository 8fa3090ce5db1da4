"""Accuracy of embeddings that were trained in different forms for the same CPU seconds.

    python benchmarks/scale/accuracy.py benchmarks/configs/grace/pubmed.toml --budget 240
    python benchmarks/scale/accuracy.py --table

A form gets as many epochs as its second epoch says fit into the budget, and an embedding is probed
after each quarter of them (five random splits, a tenth of the nodes for training, a tenth for
validation): a form has settled where the last quarters agree. Every row of the results file is one
recipe, form and seed; rows that are there are left alone, an interrupted training goes on from its
checkpoint. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from feeds import Form, Used, forms
from rich.console import Console
from rich.table import Table
from torch_geometric.seed import seed_everything

import gcl
from gcl.callbacks import Checkpoint, ProgressBar
from gcl.checkpoint import write_atomically
from gcl.contracts import Method
from gcl.experiments.composition import compose
from gcl.experiments.config import read_config
from gcl.experiments.results import Results, read_rows
from gcl.experiments.run import Run, load_data
from gcl.training.state import Callback, State

SPLITS, QUARTERS = 5, 4
FORMS = ("full", "neighbors", "parts", "random-parts", "propagated")
NEEDS = ("recipe", "form", "seed", "budget", "accuracy_4", "val_accuracy_4")


class Probe(Callback):
    """Accuracy after each quarter of the epochs, outside of the CPU seconds that are counted."""

    def __init__(self, data: Any, used: Used):
        self.data, self.used = data, used
        self.found: list[dict[str, float]] = []

    def on_epoch_end(self, state: State) -> None:
        due = -(-state.epochs * (len(self.found) + 1) // QUARTERS)
        if state.epoch < due:
            return
        z = gcl.embed(state.method, self.data)
        y = self.data.y
        splits = gcl.evaluate.random_splits(len(y), seed=0, num_splits=SPLITS)
        found = gcl.evaluate.linear_probe(z, y, splits=splits)
        self.found.append({key: found[key] for key in ("accuracy", "val_accuracy")})
        self.used.skip()

    def state_dict(self) -> dict[str, Any]:
        return {"found": self.found}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.found = list(state["found"])


def optimizer_of(run: Run) -> Any:
    kind = getattr(torch.optim, run.optimizer)
    return partial(kind, lr=run.lr, weight_decay=run.weight_decay)


def built(run: Run, form: Form, data: Any, seed: int) -> Method:
    seed_everything(seed)
    method = compose(run.recipe).build(data, {**run.method, **form.options})
    return method if form.variant is None else form.variant(method)


def epochs_within(run: Run, form: Form, data: Any, budget: float, path: Path) -> int:
    """Epochs that fit into CPU seconds; found once, and kept in a file."""
    if path.exists():
        return int(json.loads(path.read_text()))
    method = built(run, form, data, 0)
    used = Used()
    state = gcl.fit(
        method, form.feed(method, data, 0), epochs=2, optimizer=optimizer_of(run), callbacks=[used]
    )
    epochs = max(QUARTERS, round(budget / state.history[-1]["cpu"]))
    write_atomically(path, json.dumps(epochs).encode())
    return epochs


def one(run: Run, name: str, data: Any, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Train in one form with one seed; the row."""
    form = forms(chosen.batch_size, chosen.work)[name]
    folder = chosen.work / f"{run.recipe}-{run.dataset}-{name}-{seed}-{chosen.budget:g}"
    folder.mkdir(parents=True, exist_ok=True)
    epochs = epochs_within(run, form, data, chosen.budget, folder / "epochs.json")
    method = built(run, form, data, seed)
    warmup = round(run.warmup * epochs / run.epochs) if run.warmup > 0 else -1
    fed = form.feed(method, data, seed)
    steps = 1 if fed is data else len(fed)
    schedule = None
    if warmup >= 0:
        schedule = gcl.training.warmup_cosine(warmup * steps, max(1, epochs * steps))
    saved = folder / "checkpoint.safetensors"
    used = Used()
    probe = Probe(data, used)
    state = gcl.fit(
        method,
        fed,
        epochs=epochs,
        optimizer=optimizer_of(run),
        scheduler=schedule,
        callbacks=[
            used,
            probe,
            ProgressBar(f"{run.name}, {name}, seed {seed}"),
            Checkpoint(saved, every=max(1, epochs // 20)),
        ],
        resume=saved if saved.exists() else None,
    )
    row = {"epochs": epochs, "steps": state.step, "cpu_s": round(used.used, 1)}
    for quarter, found in enumerate(probe.found, start=1):
        row |= {f"{key}_{quarter}": round(100 * value, 2) for key, value in found.items()}
    return row


def table(path: Path) -> None:
    """Mean and deviation over seeds, a line a recipe and form."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in read_rows(path, NEEDS):
        groups[row["recipe"], row["dataset"], row["budget"], row["form"]].append(row)
    shown = Table("recipe", "data set", "CPU s", "form", "epochs", "½", "¾", "all", "val ¾", "val")
    for (recipe, dataset, budget, form), rows in groups.items():
        cells = [
            told([float(row[key]) for row in rows])
            for key in (
                "accuracy_2",
                "accuracy_3",
                "accuracy_4",
                "val_accuracy_3",
                "val_accuracy_4",
            )
        ]
        shown.add_row(recipe, dataset, budget, form, rows[0]["epochs"], *cells)
    Console(width=110).print(shown)


def told(values: list[float]) -> str:
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path, nargs="?", help="a configuration of a recipe")
    parser.add_argument("--form", nargs="+", choices=list(forms(1)), default=list(FORMS))
    parser.add_argument("--budget", type=float, default=240, help="CPU seconds of a training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, help="width, in place of the file's")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scale-accuracy.csv"))
    parser.add_argument("--work", type=Path, default=Path("scale"), help="folder of checkpoints")
    parser.add_argument("--table", action="store_true", help="show what the file has, and end")
    chosen = parser.parse_args(arguments)
    if chosen.table:
        table(chosen.out)
        return
    if chosen.config is None:
        parser.error("give a configuration, such as benchmarks/configs/grace/pubmed.toml")
    torch.set_num_threads(1)
    run, _ = read_config(chosen.config)
    if chosen.hidden is not None:
        wide = {key: chosen.hidden for key in ("hidden", "proj") if key in run.method}
        run = replace(run, method={**run.method, **wide})
    data = load_data(run)
    results = Results(chosen.out, NEEDS)
    for seed in range(chosen.seeds):
        for name in chosen.form:
            key = {
                "recipe": run.recipe, "dataset": run.dataset, "form": name, "seed": seed,
                "budget": f"{chosen.budget:g}", "batch_size": chosen.batch_size,
                "hidden": run.method["hidden"],
            }  # fmt: skip
            if not results.find(key):
                started = time.perf_counter()
                row = one(run, name, data, seed, chosen)
                results.add(key, row | {"seconds": round(time.perf_counter() - started)})
    table(chosen.out)


if __name__ == "__main__":
    main()
