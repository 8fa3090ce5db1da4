"""GRACE with exact negatives and with meta-nodes: accuracy, time and memory, in one command.

    python benchmarks/meta_node_training.py benchmarks/configs/grace/cora.toml --clusters 100

Prints a table and writes one row a variant and seed; what the file has already is not run again.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from speed.measure import interleaved, training_step

from gcl.experiments import run as benchmark
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run
from gcl.ops import tiling

SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1", "cluster_nmi": "NMI"}
COSTS = {"wall_ms": "ms a step", "cpu_ms": "CPU ms", "peak_mb": "peak MB"}
STEPS = 3  # timed, of every variant in turn
EXACT = "exact"


def variants(run: Run, clusters: list[int]) -> dict[str, Run]:
    """The runs of the table by name."""
    return {
        EXACT: run,
        **{
            f"{k} meta-nodes": replace(run, method={**run.method, "meta_nodes": k})
            for k in clusters
        },
    }


def costs(plans: dict[str, Run], data: Any) -> dict[str, dict[str, float]]:
    """Time of a step, and the memory it needs beyond graph, weights and moments."""
    steps = {name: training_step(run, data) for name, run in plans.items()}
    kind = torch.device(next(iter(plans.values())).device).type
    times = interleaved(steps, STEPS, kind)
    return {
        name: {**times[name], "peak_mb": peak_extra_mb(step, kind)} for name, step in steps.items()
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path, help="a configuration of grace")
    parser.add_argument("--clusters", type=int, nargs="+", default=[100])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="in place of the file's")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of the exact sums")
    parser.add_argument("--only", help="one variant: exact, or '100 meta-nodes'")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("meta-nodes.csv"))
    chosen = parser.parse_args(arguments)

    run = replace(benchmark.config_run(chosen.config), device=chosen.device)
    if run.recipe != "grace":
        parser.error(f"{chosen.config} is no configuration of grace")
    run.epochs = run.epochs if chosen.epochs is None else chosen.epochs
    plans = variants(run, chosen.clusters)
    if chosen.only and chosen.only not in plans:
        parser.error(f"no variant {chosen.only!r}; there are {', '.join(plans)}")
    if chosen.only:
        plans = {name: plan for name, plan in plans.items() if name == chosen.only}
    data = benchmark.load_data(run)
    kept = Results(chosen.out, ("variant", "options", "seed", *SHOWN))
    mine: list[dict[str, Any]] = []
    measured: dict[str, dict[str, float]] = {}
    # Seed by seed, so that an interrupted table compares equals.
    for seed in range(chosen.seeds):
        for name, plan in plans.items():
            options = benchmark.options_digest(plan)
            if name == EXACT and chosen.precision:
                options += f"-{chosen.precision}"
            key = {"variant": name, "options": options, "seed": seed}
            found = kept.find(key)
            if not found:
                with tiling(precision=chosen.precision):
                    measured = measured or costs(plans, data)
                    trained = benchmark.train_seed(plan, data, seed)[0][-1]
                told = {"dataset": run.dataset, "protocol": run.protocol, "epochs": run.epochs}
                found = kept.add(key, {**told, **trained, **measured[name]})
            mine += [{**row, "features": name} for row in found]
    show(run, mine)


def show(run: Run, rows: list[dict[str, Any]]) -> None:
    summary = summarize(rows, list(SHOWN))
    base = summary.get(EXACT)
    table = Table(
        title=f"grace on {run.dataset}, %",
        caption=f"protocol {run.protocol}, {run.epochs} epochs; a step is one epoch, median of "
        f"{STEPS}\nvariants in turn; memory of a step beyond graph, weights and moments",
        caption_justify="left",
    )
    for column in ("negatives", "seeds", *SHOWN.values(), "against exact", *COSTS.values()):
        table.add_column(column, justify="left" if column == "negatives" else "right", no_wrap=True)
    for name, row in summary.items():
        cells = [f"{100 * row[key]:.2f}±{100 * row[f'{key}_std']:.2f}" for key in SHOWN]
        other = base is not None and name != EXACT
        cells.append(f"{100 * (row['accuracy'] - base['accuracy']):+.2f}" if other else "")
        for key in COSTS:
            found = statistics.median(float(r[key]) for r in rows if r["features"] == name)
            cells.append(f"{found:.0f}")
        table.add_row(name, str(row["seeds"]), *cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
