"""PamC's negatives against each other, from the same pre-trained auto-encoders, in one command.

    python benchmarks/clustering.py citeseer --runs 10 --out clustering-citeseer.csv

Hyperparameters come from benchmarks/configs/pamc and scgc. Each run pre-trains one auto-encoder
that all variants start from. Prints a table and writes one row a variant and run; what the file has
already is not run again.
"""

from __future__ import annotations

import argparse
import inspect
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch_geometric.seed import seed_everything

from gcl.baselines import propagated_features
from gcl.callbacks import Callback, ProgressBar
from gcl.evaluate.clustering import cluster, cluster_scores
from gcl.experiments.config import read_config
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.references import PROPAGATED
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, options_digest
from gcl.methods.pretraining import pretrain
from gcl.methods.recipes.pamc import pamc
from gcl.methods.recipes.scgc import scgc
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.training.loop import fit
from gcl.transforms.to_sparse_features import ToSparseFeatures

CONFIGS = Path(__file__).parent / "configs"
RECIPES = {"pamc": pamc, "scgc": scgc}
START = "AE + k-means"
METRICS = {"accuracy": "ACC", "nmi": "NMI", "ari": "ARI", "macro_f1": "F1"}
COSTS = {"seconds": "s", "cpu_seconds": "CPU s", "peak_mb": "peak MB"}
# Means of 10 runs, from the paper of SDCN (WWW 2020).
SDCN = {
    "acm-coauthor": {"accuracy": 0.9045, "nmi": 0.6831, "ari": 0.7391, "macro_f1": 0.9042},
    "citeseer": {"accuracy": 0.6596, "nmi": 0.3871, "ari": 0.4017, "macro_f1": 0.6362},
}


class WatchClusters(Callback):
    """The clusters of every epoch, seen in the forward pass of the next, at no further cost.

    Args:
        clustering: the layer whose output is watched.
    """

    def __init__(self, clustering: torch.nn.Module):
        self.epochs: list[Tensor] = []
        self._hook = clustering.register_forward_hook(self._see)

    def _see(self, module: torch.nn.Module, inputs: Any, q: Tensor) -> None:
        if module.training:
            self.epochs.append(q.detach().argmax(1))

    def on_end(self, state: Any) -> None:
        self._hook.remove()
        # The first pass showed the start, which is no epoch; the last epoch has had no pass yet.
        self.epochs = [*self.epochs[1:], state.method.predict(state.data)]


def read_run(recipe: str, dataset: str) -> Run:
    """A run from benchmarks/configs."""
    return read_config(CONFIGS / recipe / f"{dataset}.toml")[0]


def variants(linear: Run, exact: Run) -> dict[str, Run]:
    """The trainings of the table by name."""
    forms = {
        "positives only": "none",
        "pamc node": "node",
        "pamc paper": "paper",
        "pamc pair": "pair",
    }
    runs = {
        name: replace(linear, method={**linear.method, "proxy": form})
        for name, form in forms.items()
    }
    # As in the paper's form nodes of a cluster then do not repel each other.
    apart = {**linear.method, "proxy": "node", "within_cluster": False}
    runs["pamc node, other clusters"] = replace(linear, method=apart)
    shared = inspect.signature(scgc).parameters
    same = {key: value for key, value in linear.method.items() if key in shared}
    return {
        **runs,
        "scgc, settings of pamc": replace(linear, recipe="scgc", method=same),
        "scgc, its own settings": exact,
    }


def auto_encoder(run: Run, data: Any, seed: int, path: Path) -> None:
    """Pre-train what all variants of one run start from."""
    seed_everything(seed)
    sizes = inspect.signature(pamc).parameters
    hidden, dim, epochs = (
        run.method.get(key, sizes[key].default) for key in ("hidden", "dim", "pretrain_epochs")
    )
    encoder = MLPEncoder(data.num_features, hidden, dim)
    x = ToSparseFeatures()(data.clone()).x
    pretrain(encoder, x, epochs=epochs, seed=seed, path=path)


def started(run: Run, seed: int, pretrained: Path) -> Run:
    """The run from an auto-encoder of its own."""
    told = {"start_seed": seed, "pretrained": str(pretrained)}
    return replace(run, method={**run.method, **told})


def propagated_row(data: Any) -> dict[str, float]:
    """k-means on features smoothed over the graph: nothing is trained."""
    return dict(cluster(propagated_features(data, columns=64), data.y))


def start_row(run: Run, data: Any, seed: int, pretrained: Path) -> dict[str, float]:
    """The pre-trained auto-encoder and k-means on its embeddings, before any training."""
    method = started(run, seed, pretrained).build(data)
    method.prepare(data)
    return dict(cluster_scores(method.predict(data), data.y))


def trained_row(name: str, run: Run, data: Any, seed: int, pretrained: Path) -> dict[str, float]:
    """Train a variant: scores of the last epoch and, as `max_<metric>`, of the best by label.

    `seconds` are those of the training steps by the clock, `cpu_seconds` those of the processor for
    all of `fit`, which other work on the machine does not stretch.
    """
    seed_everything(seed)
    method = started(run, seed, pretrained).build(data)
    watch = WatchClusters(method.clustering)
    prepared, states = method.prepare(data), []

    def train() -> None:
        bar = ProgressBar(f"{run.dataset} seed {seed}: {name}")
        states.append(
            fit(
                method,
                prepared,
                epochs=run.epochs,
                lr=run.lr,
                weight_decay=run.weight_decay,
                callbacks=[watch, bar],
            )
        )

    used = time.process_time()
    memory = peak_extra_mb(train)
    used = time.process_time() - used
    best = cluster_scores(watch.epochs, data.y, protocol="paper-max")
    return {
        **cluster_scores(watch.epochs, data.y),
        **{f"max_{key}": value for key, value in best.items()},
        "seconds": sum(row["seconds"] for row in states[0].history),
        "cpu_seconds": used,
        "peak_mb": memory,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="with a file in benchmarks/configs/pamc and scgc")
    parser.add_argument("--runs", type=int, default=10, help="auto-encoders (default 10)")
    parser.add_argument("--variants", nargs="+", help="these rows alone, e.g. 'pamc node'")
    parser.add_argument("--epochs", type=int, help="in place of the files'")
    parser.add_argument("--out", type=Path, default=Path("clustering.csv"))
    chosen = parser.parse_args(arguments)

    linear, exact = (read_run(recipe, chosen.dataset) for recipe in RECIPES)
    if chosen.epochs is not None:
        linear, exact = (replace(run, epochs=chosen.epochs) for run in (linear, exact))
    data = load_data(linear)
    if chosen.runs < 1:
        parser.error("--runs must be at least 1")
    plans = variants(linear, exact)
    if unknown := set(chosen.variants or []) - set(plans):
        parser.error(f"no variant {sorted(unknown)[0]!r}; there are {', '.join(plans)}")
    plans = {name: plans[name] for name in chosen.variants or plans}
    plans = {name: replace(linear, epochs=0) for name in (PROPAGATED, START)} | plans
    kept = Results(chosen.out, ("variant", "options", "seed", *METRICS))
    mine: list[dict[str, Any]] = []
    for seed in range(chosen.runs):
        keys = {
            name: {"variant": name, "options": options_digest(run), "seed": seed}
            for name, run in plans.items()
        }
        done = {name: kept.find(key) for name, key in keys.items()}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "auto-encoder.safetensors"
            if not all(done.values()):
                auto_encoder(linear, data, seed, path)
            for name, run in plans.items():
                found = done[name]
                if not found:
                    if name == PROPAGATED:
                        new = propagated_row(data)
                    elif name == START:
                        new = start_row(run, data, seed, path)
                    else:
                        new = trained_row(name, run, data, seed, path)
                    told = {"dataset": run.dataset, "epochs": run.epochs}
                    found = kept.add(keys[name], {**told, **new})
                mine += [{**row, "features": name} for row in found]
    show(linear, mine)


def show(run: Run, rows: list[dict[str, Any]]) -> None:
    started = [row for row in rows if row["features"] in (PROPAGATED, START)]
    trained = [row for row in rows if row["features"] not in (PROPAGATED, START)]
    keys = [*METRICS, *(f"max_{key}" for key in METRICS), *COSTS]
    summary = {
        **summarize(started, list(METRICS)),
        **summarize(trained, keys),
    }
    runs = summary[START]["seeds"]
    caption = f"mean±std of {runs} pre-trained auto-encoders"
    caption = caption if runs > 1 else "one pre-trained auto-encoder: no deviation"
    for prefix, title in (
        ("", f"{run.dataset}, last of {run.epochs} epochs, %"),
        ("max_", f"{run.dataset}, paper-max: best epoch of each metric by the labels, %"),
    ):
        table = Table(title=title, caption=caption)
        heads = [*METRICS.values(), *(COSTS.values() if not prefix else [])]
        for column in ("variant", *heads):
            table.add_column(
                column, justify="left" if column == "variant" else "right", no_wrap=True
            )
        for name, row in summary.items():
            if f"{prefix}accuracy" not in row:
                continue
            # One run has no deviation, and ±0.00 would look like one.
            cells = [
                f"{100 * row[prefix + key]:.2f}"
                + (f"±{100 * row[f'{prefix}{key}_std']:.2f}" if runs > 1 else "")
                for key in METRICS
            ]
            if not prefix:
                cells += [f"{row[key]:.0f}" if key in row else "" for key in COSTS]
            table.add_row(name, *cells)
        if run.dataset in SDCN:
            published = SDCN[run.dataset]
            table.add_row("SDCN, published", *(f"{100 * published[key]:.2f}" for key in METRICS))
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
