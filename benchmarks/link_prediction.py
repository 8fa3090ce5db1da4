"""Hidden links, found by several methods under one split a seed.

    python benchmarks/link_prediction.py grace/cora-random csgcl/cora --seeds 5 --out links.csv

Every method trains on what `gcl.evaluate.edge_split` leaves of the graph, with the settings of its
configuration; raw features and each method's untrained encoder stand beside it. One row a method
and seed is written; what the file has already is not run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.optim import Adam
from torch_geometric.data import Data
from torch_geometric.seed import seed_everything

import gcl
from gcl import evaluate
from gcl.baselines import propagated_features
from gcl.experiments.config import read_config
from gcl.experiments.references import PROPAGATED, RAW
from gcl.experiments.results import Results, summarize
from gcl.experiments.run import Run, load_data, options_digest

CONFIGS = Path(__file__).parent / "configs"
SHOWN = {"auc": "AUC", "ap": "AP", "hits@10": "Hits@10", "mrr": "MRR"}


def embed(run: Run, data: Data, seed: int, epochs: int) -> Tensor:
    """Embeddings of the graph that is left, after so many epochs."""
    seed_everything(seed)
    method = run.build(data)
    if epochs:
        adam = Adam(method.parameters(), lr=run.lr, weight_decay=run.weight_decay)
        gcl.fit(method, data, epochs=epochs, optimizer=adam)
    return gcl.embed(method, data)


def untrained(name: str, data: Data) -> Tensor:
    """Features of the graph that is left, as they are or propagated by the rule without labels."""
    return data.x if name == RAW else propagated_features(data)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("configs", nargs="+", help="<recipe>/<dataset>, of one data set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="in place of the configuration's")
    parser.add_argument("--decoder", choices=("cosine", "dot", "logistic"), default="logistic")
    parser.add_argument("--out", type=Path, default=Path("links.csv"))
    chosen = parser.parse_args(arguments)

    runs = {name: read_config(CONFIGS / f"{name}.toml")[0] for name in chosen.configs}
    if len({run.dataset for run in runs.values()}) != 1:
        parser.error("the configurations must be of one data set")
    data = load_data(next(iter(runs.values())))
    kept = Results(chosen.out, ("method", "epochs", "decoder", "seed", *SHOWN))
    shown: list[dict[str, Any]] = []
    for seed in range(chosen.seeds):
        split = evaluate.edge_split(data, seed=seed)
        todo: list[tuple[str, Run | None, int]] = [(RAW, None, 0), (PROPAGATED, None, 0)]
        for name, run in runs.items():
            epochs = run.epochs if chosen.epochs is None else chosen.epochs
            todo += [(f"{name} untrained", run, 0), (name, run, epochs)]
        for name, maybe, epochs in todo:
            told = {"options": options_digest(maybe) if maybe else "", "epochs": epochs}
            key = {"method": name, **told, "decoder": chosen.decoder, "seed": seed}
            found = kept.find(key)
            if not found:
                z = embed(maybe, split.data, seed, epochs) if maybe else untrained(name, split.data)
                result = evaluate.link_prediction(z, split, decoder=chosen.decoder)
                scores = {k: result[k] for k in SHOWN}
                found = kept.add(key, {**scores, "protocol": result.protocol})
            shown += [{**row, "features": row["method"]} for row in found]
    table = Table(title=f"{data.num_nodes} nodes, {chosen.seeds} seeds of split and training")
    for title in ("method", *SHOWN.values()):
        table.add_column(title, justify="left" if title == "method" else "right")
    for name, means in summarize(shown, list(SHOWN)).items():
        cells = (f"{100 * means[k]:.1f} ± {100 * means[f'{k}_std']:.1f}" for k in SHOWN)
        table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
