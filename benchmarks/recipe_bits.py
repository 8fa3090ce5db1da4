"""What every recipe computes, bit by bit: to see that a change of the code changes no number.

    python benchmarks/recipe_bits.py --out before.json
    ... change the code ...
    python benchmarks/recipe_bits.py --compare before.json

For every recipe on a small graph (heterogeneous, or a set of graphs, where it wants one):
the losses of three epochs and the embedding after them, by seed.
Bits hold for one machine and one torch;
those of `benchmarks/results/recipe-bits.json` for the ones that stand there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import gcl
from gcl import methods
from gcl.experiments.provenance import provenance
from gcl.transforms import AddInfluence

NODE: dict[str, dict[str, Any]] = {
    "afgrl": {"hidden": 8, "predictor": 8, "clusters": 5, "runs": 2},
    "bgrl": {"hidden": 8, "predictor": 8},
    "cca_ssg": {"hidden": 8},
    "costa": {"hidden": 8, "proj": 8},
    "csgcl": {"hidden": 8, "proj": 8, "t0": 0},
    "dgi": {"hidden": 8},
    "gbt": {"hidden": 8},
    "gca": {"hidden": 8, "proj": 8},
    "ggd": {"hidden": 8},
    "grace": {"hidden": 8, "proj": 8},
    "graphmae": {"hidden": 8},
    "mvgrl": {"hidden": 8, "topk": 5},
    "ns4gc": {"hidden": 16, "dim": 8},
    "pamc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2},
    "progcl": {"hidden": 8, "proj": 8, "t0": 1},
    "scgc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2},
    "sgrl": {"hidden": 8, "predictor": 8},
    "sugrl": {"hidden": (16,), "dim": 8},
    "vicreg": {"hidden": 8, "proj": 8},
}
HETERO: dict[str, dict[str, Any]] = {
    "adameow": {"hidden": 16, "proj": 8},
    "heco": {"hidden": 16},
    "meow": {"hidden": 16, "clusters": (4, 8)},
}
GRAPHS: dict[str, dict[str, Any]] = {
    name: {"hidden": 8} for name in ("graphcl", "infograph", "mvgrl_graph", "simgrace")
}


def flags() -> dict[str, Callable[[Any], Any]]:
    """Recipes with what belongs to no one paper."""
    small = {"hidden": 8, "proj": 8}
    # POT's settings of Cora.
    on_cora = {"tau": 0.7, "drop_edge": (0.4, 0.3), "mask_feature": (0.0, 0.0)}
    on_cora_gca = {
        "tau": 0.9, "drop_edge": (0.3, 0.1), "mask_feature": (0.0, 0.0), "act": "relu"
    }  # fmt: skip
    grace, macl = methods.grace, partial(methods.macl, alpha=0.3)
    several = partial(methods.several_views, views=3)
    return {
        "grace+macl": lambda g: macl(grace(g, **small)),
        "gca+macl": lambda g: macl(methods.gca(g, **small)),
        "costa+macl": lambda g: macl(methods.costa(g, **small)),
        "progcl+macl": lambda g: macl(methods.progcl(g, t0=1, **small)),
        "csgcl+macl": lambda g: macl(methods.csgcl(g, t0=0, **small)),
        "grace+several_views": lambda g: several(grace(g, **small)),
        "gca+several_views": lambda g: several(methods.gca(g, **small)),
        "csgcl+several_views": lambda g: several(methods.csgcl(g, t0=0, **small)),
        "costa+several_views": lambda g: several(methods.costa(g, **small)),
        "progcl+several_views": lambda g: several(methods.progcl(g, t0=1, **small)),
        "grace+macl+several_views": lambda g: several(macl(grace(g, **small)), views=4),
        "grace+meta_nodes": lambda g: methods.meta_nodes(grace(g, **small), clusters=5),
        "grace+meta_nodes+several_views": lambda g: several(
            methods.meta_nodes(grace(g, **small), clusters=5)
        ),
        "grace+with_hops": lambda g: methods.with_hops(grace(g, **small)),
        "grace+negatives": lambda g: methods.with_negatives(
            grace(g, **small), gcl.losses.RandomNegatives(5)
        ),
        "grace+several_seeds": lambda g: methods.several_seeds(grace(g, **small), seeds=2),
        "grace batch norm": lambda g: grace(g, norm="batch", **small),
        "dgi+distil": lambda g: methods.distil(methods.dgi(g, hidden=8), g, hidden=(8,)),
        "grace+pot": lambda g: methods.pot(grace(g, **on_cora, **small)),
        "gca+pot": lambda g: methods.pot(methods.gca(g, **on_cora_gca, **small)),
        "grace+macl+pot": lambda g: methods.pot(
            macl(grace(g, **on_cora, **small), alpha=0.2), kappa=0.1
        ),
        "csgcl+pot": lambda g: methods.pot(methods.csgcl(g, t0=0, **small), kappa=0.3),
        "pamc exact": lambda g: methods.pamc(
            g, hidden=(16,), dim=4, pretrain_epochs=0, influence=AddInfluence(2)
        ),
    }


def found(make: Callable[[], Any], data: Any, seed: int) -> dict[str, Any]:
    """Losses of three epochs, and what the embedding hashes to."""
    torch.manual_seed(seed)
    method = make()
    state = gcl.fit(method, data, epochs=3, lr=0.01)
    z = gcl.embed(method, data if not isinstance(data, DataLoader) else DataLoader(data.dataset, 8))
    return {
        "losses": [row["loss"].hex() for row in state.history],
        "embedding": hashlib.sha256(z.contiguous().numpy().tobytes()).hexdigest()[:16],
        "shape": list(z.shape),
    }


def every() -> dict[str, Any]:
    torch.set_num_threads(1)
    table: dict[str, Any] = {}
    nodes = gcl.datasets.sbm(60, 3, num_features=12)
    nodes.x = nodes.x.relu()
    hetero = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
    hetero.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    graphs = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(16)]
    batch = Batch.from_data_list(graphs)
    for seed in (0, 1):
        for data, recipes in ((nodes, NODE), (hetero, HETERO)):
            for name, options in recipes.items():
                make = partial(getattr(methods, name), data, **options)
                table[f"{name} {seed}"] = found(make, data, seed)
        for name, options in GRAPHS.items():
            make = partial(getattr(methods, name), batch, **options)
            torch.manual_seed(seed)
            prepared = make().prepare(batch).to_data_list()
            table[f"{name} {seed}"] = found(make, DataLoader(prepared, 8), seed)
        for name, build in flags().items():
            table[f"{name} {seed}"] = found(partial(build, nodes), nodes, seed)
        table[f"graphcl+macl {seed}"] = found(
            lambda: methods.macl(methods.graphcl(batch, hidden=8), alpha=0.3, momentum=0.9),
            DataLoader(graphs, 8),
            seed,
        )
        table[f"graphcl+joao {seed}"] = found(
            lambda: methods.joao(methods.graphcl(batch, hidden=8)), DataLoader(graphs, 8), seed
        )
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", type=Path)
    chosen = parser.parse_args(arguments)
    table = every()
    if chosen.out:
        chosen.out.write_text(json.dumps({**provenance(), "bits": table}, indent=1))
    if not chosen.compare:
        return 0
    before = json.loads(chosen.compare.read_text())["bits"]
    moved = sorted(k for k in {*before, *table} if before.get(k) != table.get(k))
    print(f"{len(table)} compared, {len(moved)} moved")
    print("\n".join(moved))
    return bool(moved)


if __name__ == "__main__":
    sys.exit(main())
