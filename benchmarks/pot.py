"""GRACE and GCA with and without POT: what the term gains, and what it costs, in one command.

    python benchmarks/pot.py cora --seeds 5 --out pot-cora.csv

Hyperparameters come from benchmarks/configs/grace+pot and gca+pot; without POT they are the same.
Prints a table and writes one row a variant and seed; what the file has already is not run again.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from speed.measure import interleaved, training_step

from gcl import evaluate
from gcl.experiments.config import read_config
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, options_digest, train_seed

CONFIGS = Path(__file__).parent / "configs"
METHODS = ("grace", "gca")
SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
STEPS = 7  # timed, of every variant in turn


def read_run(method: str, dataset: str) -> Run:
    """The run of a method with POT, from benchmarks/configs."""
    return read_config(CONFIGS / f"{method}+pot" / f"{dataset}.toml")[0]


def variants(method: str, run: Run, modes: list[str]) -> dict[str, Run]:
    """The method by itself and with POT in each mode, by name; the first is what it is against."""
    plain = {key: value for key, value in run.method.items() if key != "pot"}
    return {
        method: replace(run, recipe=method, method=plain),
        **{
            f"{method} + POT, {mode}": replace(
                run, method={**plain, "pot": {**run.method.get("pot", {}), "mode": mode}}
            )
            for mode in modes
        },
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="with a file in benchmarks/configs/grace+pot or gca+pot")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--modes", nargs="+", default=["pot"], help="of POT (default pot)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--protocol", choices=evaluate.PROTOCOLS, help="in place of the files'")
    parser.add_argument("--epochs", type=int, help="in place of the files'")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("pot.csv"))
    chosen = parser.parse_args(arguments)

    plans: dict[str, dict[str, Run]] = {}
    for method in chosen.methods:
        run = replace(read_run(method, chosen.dataset), device=chosen.device)
        run.protocol = chosen.protocol or run.protocol
        run.epochs = run.epochs if chosen.epochs is None else chosen.epochs
        plans[method] = variants(method, run, chosen.modes)
    data = load_data(run)
    kept = Results(chosen.out, ("variant", "options", "seed", *SHOWN))
    mine: list[dict[str, Any]] = []
    # Seed by seed, so that an interrupted table compares equals.
    for seed in range(chosen.seeds):
        for plan in plans.values():
            keys = {
                name: {"variant": name, "options": options_digest(run), "seed": seed}
                for name, run in plan.items()
            }
            done = {name: kept.find(key) for name, key in keys.items()}
            if not all(done.values()):
                steps = {name: training_step(run, data) for name, run in plan.items()}
                kind = torch.device(chosen.device).type
                costs = interleaved(steps, STEPS, kind)
                del steps  # the trainings need the memory
            for name, run in plan.items():
                found = done[name]
                if not found:
                    trained = train_seed(run, data, seed)[0][-1]
                    told = {"dataset": run.dataset, "protocol": run.protocol, "epochs": run.epochs}
                    found = kept.add(keys[name], {**told, **trained, **costs[name]})
                mine += [{**row, "features": name} for row in found]
    show(plans, mine, chosen.seeds)


def gain(rows: list[dict[str, Any]], name: str, base: str) -> tuple[float, float]:
    """Mean of the differences in accuracy of the same seeds, and its standard error."""
    found = {
        variant: {int(r["seed"]): float(r["accuracy"]) for r in rows if r["features"] == variant}
        for variant in (name, base)
    }
    differences = [found[name][seed] - found[base][seed] for seed in sorted(found[name])]
    if len(differences) < 2:
        return differences[0], math.nan
    return (
        statistics.mean(differences),
        statistics.stdev(differences) / math.sqrt(len(differences)),
    )


def show(plans: dict[str, dict[str, Run]], rows: list[dict[str, Any]], seeds: int) -> None:
    run = next(iter(next(iter(plans.values())).values()))
    table = Table(
        title=f"POT on {run.dataset}, %",
        caption=f"protocol {run.protocol}; training seeds: {seeds}; gain in accuracy: mean of the "
        "differences of equal seeds ± standard error;\nms an epoch: median of steps taken in turn, "
        "wall clock (CPU time)",
        caption_justify="left",
    )
    columns = ("variant", "epochs", *SHOWN.values(), "gain", "ms an epoch", "times")
    for column in columns:
        table.add_column(column, justify="left" if column == "variant" else "right", no_wrap=True)
    summary = summarize(rows, list(SHOWN))
    costs = {
        name: [
            statistics.median(float(r[key]) for r in rows if r["features"] == name)
            for key in ("wall_ms", "cpu_ms")
        ]
        for name in summary
    }
    for base, plan in plans.items():
        for name, variant in plan.items():
            row = summary[name]
            cells = [f"{100 * row[key]:.2f}±{100 * row[f'{key}_std']:.2f}" for key in SHOWN]
            wall, cpu = costs[name]
            cells += ["", f"{wall:.0f} ({cpu:.0f})", ""]
            if name != base:
                mean, error = gain(rows, name, base)
                cells[-3] = f"{100 * mean:+.2f}" + (f"±{100 * error:.2f}" if seeds > 1 else "")
                cells[-1] = f"{wall / costs[base][0]:.2f} ({cpu / costs[base][1]:.2f})"
            table.add_row(name, str(variant.epochs), *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
