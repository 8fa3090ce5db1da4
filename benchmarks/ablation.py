"""CSGCL without each of its parts, and GRACE with the same hyperparameters, in one command.

    python benchmarks/ablation.py benchmarks/configs/csgcl/cora.toml --seeds 5 --out ablation.csv

Prints a table and writes one row a variant and seed; what the file has already is not run again.
"""

from __future__ import annotations

import argparse
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gcl import evaluate, methods
from gcl.experiments.config import read_config
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, options_digest, train_seed

VARIANTS: dict[str, dict[str, bool]] = {
    "csgcl": {},
    "no CED": {"communal_edges": False},
    "no CAV": {"communal_features": False},
    "no Team-up": {"team_up": False},
}
SHOWN = {"accuracy": "accuracy", "cluster_nmi": "NMI", "cluster_ari": "ARI"}


def read_run(path: Path) -> Run:
    """A run of csgcl from a configuration of `benchmarks/configs/csgcl`."""
    run = read_config(path)[0]
    if run.recipe != "csgcl":
        raise ValueError(f"{path} is no configuration of csgcl.")
    return run


def variants(run: Run) -> dict[str, Run]:
    """The runs of the table by name."""
    runs = {n: replace(run, method={**run.method, **parts}) for n, parts in VARIANTS.items()}
    shared = inspect.signature(methods.grace).parameters
    plain = {key: value for key, value in run.method.items() if key in shared}
    return {**runs, "grace": replace(run, recipe="grace", method=plain)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path, help="benchmarks/configs/csgcl/<dataset>.toml")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--protocol", choices=evaluate.PROTOCOLS, help="in place of the file's")
    parser.add_argument("--epochs", type=int, help="in place of the file's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("ablation.csv"))
    chosen = parser.parse_args(arguments)

    run = replace(read_run(chosen.config), device=chosen.device)
    run.protocol = chosen.protocol or run.protocol
    run.epochs = run.epochs if chosen.epochs is None else chosen.epochs
    data = load_data(run)
    kept = Results(chosen.out, ("variant", "options", "seed", *SHOWN))
    mine: list[dict[str, Any]] = []
    # Seed by seed, so that an interrupted table compares equals.
    for seed in range(chosen.seeds):
        for name, variant in variants(run).items():
            key = {"variant": name, "options": options_digest(variant), "seed": seed}
            found = kept.find(key)
            if not found:
                trained = train_seed(variant, data, seed)[0][-1]
                told = {"dataset": run.dataset, "protocol": run.protocol, "epochs": run.epochs}
                found = kept.add(key, {**told, **trained})
            mine += [{**row, "features": name} for row in found]
    show(run, summarize(mine, list(SHOWN)))


def show(run: Run, summary: dict[str, dict[str, Any]]) -> None:
    seeds = summary["csgcl"]["seeds"]
    table = Table(
        title=f"csgcl on {run.dataset}, %",
        caption=f"protocol {run.protocol}, {run.epochs} epochs, training seeds: {seeds}",
    )
    for column in ("variant", *SHOWN.values(), "accuracy against csgcl"):
        table.add_column(column, justify="left" if column == "variant" else "right", no_wrap=True)
    for name, row in summary.items():
        cells = [f"{100 * row[key]:.2f}±{100 * row[f'{key}_std']:.2f}" for key in SHOWN]
        gap = 100 * (row["accuracy"] - summary["csgcl"]["accuracy"])
        table.add_row(name, *cells, f"{gap:+.2f}" if name != "csgcl" else "")
    Console().print(table)


if __name__ == "__main__":
    main()
