"""A training step of every recipe: CPU time, what of it is products, and rivals' epochs beside it.

GCL_DATA=... python benchmarks/speed/steps.py                      # Cora and PubMed
GCL_DATA=... python benchmarks/speed/steps.py --only dgi ggd --dataset cora --repeats 3
GCL_DATA=... GCL_MALLOC=system python benchmarks/speed/steps.py    # glibc's allocator as it is

Recipes by their configurations; where a data set has none, that of Cora. Methods in capitals are in
one frame with their rivals (plain_methods.py), whose columns are multiples of our CPU time; they
take turns. `bf16` is the time with precision="bf16" as a share of that without.

`in_products` is by torch's profiler: the CPU time of matrix and sparse products (PRODUCTS, with
what they call, such as the zeroing of their result) over that of all operations. Our streamed
losses are made of these operations, so their products count by themselves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from measure import interleaved, options, report, training_step
from plain_methods import NAMES, rivals
from torch.profiler import ProfilerActivity, profile

import gcl
from gcl.experiments.config import read_config
from gcl.experiments.malloc import keep_freed_memory
from gcl.experiments.run import Run

CONFIGS = Path(__file__).parents[1] / "configs"
LINEAR = ("cca_ssg", "gbt", "mvgrl", "bgrl", "ggd", "dgi", "sugrl", "sgrl")  # in the nodes
RECIPES = {
    "cora": (*LINEAR, "grace", "gca", "costa", "progcl", "csgcl", "afgrl", "grace+pot"),
    "pubmed": (*LINEAR, "grace+meta_nodes"),
}
PRODUCTS = {
    f"aten::{name}"
    for name in (
        "mm", "addmm", "addmm_", "bmm", "baddbmm", "baddbmm_", "mv", "addmv", "addmv_", "dot",
        "_sparse_mm_reduce_impl",
    )
}  # fmt: skip


def run_of(recipe: str, dataset: str) -> Run:
    folder = CONFIGS / recipe
    if not folder.is_dir():  # with a variant that has no configurations
        folder = CONFIGS / recipe.partition("+")[0]
    path = folder / f"{dataset}.toml"
    run, _ = read_config(path if path.is_file() else folder / "cora.toml")
    return replace(run, recipe=recipe, dataset=dataset)


def share_in_products(step: Callable[[], Any], steps: int) -> float:
    """Of the CPU time of all operations."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(steps):
            step()
    events = seen.events()
    products = sum(e.cpu_time_total for e in events if _is_product(e))
    return products / sum(e.self_cpu_time_total for e in events)


def _is_product(event: Any) -> bool:
    """One that is not part of another: `mm` may call `addmm`."""
    above = event.cpu_parent
    while above is not None and above.name not in PRODUCTS:
        above = above.cpu_parent
    return above is None and event.name in PRODUCTS


def row(dataset: str, method: str, steps: dict[str, Callable[[], Any]], repeats: int) -> dict:
    """`steps`: ours, as "gcl", and what it is compared with."""
    times = interleaved(steps, repeats)
    base = times["gcl"]["cpu_ms"]
    ratios = {
        name: times[name]["cpu_ms"] / base if name in times else "-"
        for name in ("bf16", "pyg", "graphssl")
    }
    share = share_in_products(steps["gcl"], max(1, repeats // 2))
    return {
        "dataset": dataset,
        "method": method,
        "cpu_s": base / 1e3,
        "in_products": share,
        **ratios,
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--dataset", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--only", nargs="+", help="recipes, and rivals' names such as DGI")
    chosen = parser.parse_args()
    kept = keep_freed_memory()
    torch.set_num_threads(chosen.threads)
    rows = []
    for dataset in chosen.dataset:
        data = gcl.datasets.load(dataset)
        for name in (*RECIPES[dataset], *NAMES):
            if chosen.only and name not in chosen.only:
                continue
            if name in NAMES:
                torch.manual_seed(0)
                steps = rivals(name, data)
            else:
                run = run_of(name, dataset)
                steps = {
                    label: training_step(replace(run, precision=precision), data)
                    for label, precision in (("gcl", "fp32"), ("bf16", "bf16"))
                }
            rows.append(row(dataset, name, steps, chosen.repeats))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    allocator = "keeps freed memory" if kept else "the system's"
    report(f"Training steps, {chosen.threads} thread(s), allocator: {allocator}", rows, chosen.json)


if __name__ == "__main__":
    main()
