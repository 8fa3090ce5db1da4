"""MEOW, AdaMEOW and HeCo on one heterogeneous graph, under the papers' probe, in one command.

    python benchmarks/heterogeneous.py acm --seeds 5 --out heterogeneous-acm.csv
    python benchmarks/heterogeneous.py acm --only 'meow*' --ablation --seeds 3

Hyperparameters come from benchmarks/configs/{meow,adameow,heco}. Every training is measured at 20,
40 and 60 labelled nodes a class, beside the raw features and the untrained encoders. What the file
has already is not run again.
"""

from __future__ import annotations

import argparse
import fnmatch
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch_geometric.data import HeteroData
from torch_geometric.seed import seed_everything

from gcl import evaluate
from gcl.baselines import propagated_features
from gcl.callbacks import EarlyStopping, ProgressBar
from gcl.experiments.config import read_config
from gcl.experiments.references import PROPAGATED, RAW
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, options_digest
from gcl.training.loop import embed, fit

CONFIGS = Path(__file__).parent / "configs"
RECIPES = ("meow", "adameow", "heco")
FEW = (20, 40, 60)
SCORES = [f"{key}_{few}" for few in FEW for key in ("macro_f1", "micro_f1", "auc")]
KEYS = [*SCORES, *(f"converged_macro_f1_{few}" for few in FEW), "cluster_nmi", "cluster_ari"]
ABLATIONS: dict[str, dict[str, Any]] = {
    "meow, ties as released": {"paths": {"ties": "legacy"}},
    "meow, ties by index": {"paths": {"ties": "index"}},
    "meow, row form": {"paths": {"topk_form": "row"}},
    "meow, union form": {"paths": {"topk_form": "union"}},
    "meow, plain InfoNCE": {"weighted": False, "lam": 0.0},
    "meow, no prototypes": {"lam": 0.0},
    "meow, masks drawn once": {"resample": "once"},
    "meow, masks drawn once, last weights": {"resample": "once"},
}
LAST_WEIGHTS = {"meow, masks drawn once, last weights"}  # as the released code embeds


def variants(dataset: str, ablation: bool) -> dict[str, Run]:
    """The trainings of the table by name, of the recipes that have a configuration."""
    runs = {
        recipe: read_config(path)[0]
        for recipe in RECIPES
        if (path := CONFIGS / recipe / f"{dataset}.toml").is_file()
    }
    if not runs:
        raise SystemExit(f"There is no configuration of {dataset} in {CONFIGS}.")
    if "adameow" in runs:
        run = runs["adameow"]
        runs["adameow, weights as published"] = changed(run, {"weights": "none"})
    if ablation:
        for recipe in runs.keys() & {"adameow", "heco"}:
            run = runs[recipe]
            where = "positives" if recipe == "heco" else "paths"
            released = changed(run, {where: {"ties": "legacy"}})
            runs[f"{recipe}, ties as released"] = released
            if recipe == "adameow":
                released = changed(released, {"weights": "none"})
                runs["adameow, ties and weights as released"] = released
    if ablation and "meow" in runs:
        run = runs["meow"]
        runs |= {name: changed(run, change) for name, change in ABLATIONS.items()}
    return runs


def changed(run: Run, change: dict[str, Any]) -> Run:
    """The run with other options; those of an object one by one."""
    options = {
        key: {**run.method.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in change.items()
    }
    return replace(run, method={**run.method, **options})


def scores(run: Run, z: torch.Tensor, data: HeteroData) -> dict[str, float]:
    """The papers' probe at three numbers of labels, and k-means."""
    found: dict[str, float] = {}
    for few in FEW:
        probe = evaluate.hetero_probe(
            z, data, protocol=f"hetero-{few}", lr=run.probe_lr, weight_decay=run.probe_decay
        )
        found |= {f"{key}_{few}": value for key, value in probe.items()}
    y = next(nodes.y for nodes in data.node_stores if "y" in nodes)
    return {**found, **{f"cluster_{k}": v for k, v in evaluate.cluster(z, y).items()}}


def rows_of(name: str, run: Run, data: HeteroData, seed: int) -> list[dict[str, Any]]:
    """Train one seed; the untrained encoder and the weights of the lowest loss."""
    seed_everything(seed)
    method = run.build(data)
    untrained = embed(method, data)
    state = fit(
        method,
        data,
        epochs=run.epochs,
        lr=run.lr,
        weight_decay=run.weight_decay,
        callbacks=[
            ProgressBar(f"{run.dataset} seed {seed}: {name}"),
            EarlyStopping(
                patience=run.patience or run.epochs, restore_best=name not in LAST_WEIGHTS
            ),
        ],
    )
    z = embed(state.method, data)
    told = {"epochs": state.epoch, "seconds": sum(row["seconds"] for row in state.history)}
    rows = [{"variant": name, **scores(run, z, data), **told}]
    statistics = getattr(getattr(method, "objective", None), "statistics", None)
    if callable(statistics):
        with torch.no_grad():
            rows[0] |= statistics(*method.eval().views(state.data))
    if name == run.recipe:
        rows.append({"variant": f"{name}, untrained", **scores(run, untrained, data)})
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="acm, dblp, aminer or imdb")
    parser.add_argument("--seeds", type=int, default=5, help="trainings (default 5)")
    parser.add_argument("--only", default="*", help="pattern of variants, e.g. 'meow*'")
    parser.add_argument("--ablation", action="store_true", help="MEOW without its parts, too")
    parser.add_argument("--epochs", type=int, help="in place of the files'")
    parser.add_argument("--out", type=Path, default=Path("heterogeneous.csv"))
    chosen = parser.parse_args(arguments)

    runs = variants(chosen.dataset, chosen.ablation)
    runs = {name: run for name, run in runs.items() if fnmatch.fnmatch(name, chosen.only)}
    if not runs:
        raise SystemExit(f"No variant matches {chosen.only!r}.")
    if chosen.epochs is not None:
        runs = {name: replace(run, epochs=chosen.epochs) for name, run in runs.items()}
    data = load_data(next(iter(runs.values())))
    kept = Results(chosen.out, ("dataset", "variant", "options", "seed"))
    mine: list[dict[str, Any]] = []
    first = next(iter(runs.values()))
    for name, run in {RAW: first, PROPAGATED: first, **runs}.items():
        for seed in range(chosen.seeds if name in runs else 1):
            key = {"dataset": run.dataset, "options": options_digest(run), "seed": seed}
            names = {name, f"{name}, untrained"}
            have = [row for row in kept.find(key) if row["variant"] in names]
            if not have:
                new = (
                    rows_of(name, run, data, seed) if name in runs else not_trained(name, run, data)
                )
                have = kept.add(key, *new)
            mine += [{**row, "features": row["variant"]} for row in have]
    show(chosen.dataset, mine)


def not_trained(name: str, run: Run, data: HeteroData) -> list[dict[str, Any]]:
    """Features of the nodes with labels, as they are or propagated through the other types."""
    x = next(nodes for nodes in data.node_stores if "y" in nodes).get("x")
    if x is None:
        return []
    rows = x if name == RAW else propagated_features(data)
    return [{"variant": name, **scores(run, rows, data)}]


def show(dataset: str, rows: list[dict[str, Any]]) -> None:
    table = Table(
        title=f"{dataset}, %",
        caption="mean±std over trainings; Ma, Mi: Macro- and Micro-F1 at 20, 40, 60 labels a class "
        "by the papers' probe; cMa: Macro-F1 of the converged probe",
    )
    heads = [f"{h} {few}" for few in FEW for h in ("Ma", "Mi", "AUC")]
    heads += [*(f"cMa {few}" for few in FEW), "NMI", "ARI"]
    for head in ("variant", "n", *heads):
        table.add_column(head, justify="left" if head == "variant" else "right", no_wrap=True)
    for name, row in summarize(rows, KEYS).items():
        cells = [
            f"{100 * row[key]:.1f}"
            + (f"±{100 * row[key + '_std']:.1f}" if row["seeds"] > 1 else "")
            for key in KEYS
        ]
        table.add_row(name, str(row["seeds"]), *cells)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
