"""The how-to for spatial data (docs/own_data.md) on a tissue of 30,000 spots and 3,000 genes.

    python benchmarks/spatial.py
    python benchmarks/spatial.py --json > benchmarks/results/spatial.json

The spots lie in domains, each with genes of its own; about 8 of 100 counts are above zero. What is
measured begins with the file: it is read, becomes a graph of nearest spots with 50 components,
trains a method without labels, and ends with the ten nearest of one spot; those of every spot are a
row of their own. CPU and wall seconds of each step, two threads, and the memory of all steps beyond
what imports took. `ari` compares the clusters of embeddings, and of the components themselves, with
the drawn domains.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
import torch
from sklearn.metrics import adjusted_rand_score

import gcl
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.provenance import provenance

DOMAINS = 8
EXTRA = "ten nearest of every spot"


def tissue(spots: int, genes: int, seed: int = 0) -> Any:
    """Counts of spots in domains: those nearest to one of some centers."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(size=(spots, 2))
    centers = rng.uniform(size=(DOMAINS, 2))
    domain = np.square(places[:, None] - centers).sum(2).argmin(1)
    base = rng.gamma(0.4, 0.2, genes)
    own = rng.random((DOMAINS, genes)) < 0.05
    depth = rng.lognormal(0, 0.4, spots)
    blocks = []
    for start in range(0, spots, 1000):
        rows = slice(start, start + 1000)
        mean = depth[rows, None] * base * np.where(own[domain[rows]], 2.5, 1.0)
        blocks.append(sp.csr_array(rng.poisson(mean).astype(np.float32)))
    adata = anndata.AnnData(sp.csr_matrix(sp.vstack(blocks)))
    adata.obsm["spatial"] = places
    adata.obs["domain"] = domain
    return adata


def how_to(path: Path, recipe: str, epochs: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """What the page does, and the seconds of every step."""
    seconds: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        found = call()
        seconds[name] = [time.process_time() - cpu, time.perf_counter() - wall]
        return found

    torch.manual_seed(0)
    adata = timed("read the file", lambda: anndata.read_h5ad(path))
    options = {"k": 6, "counts": True, "n_components": 50, "label": "domain"}
    data = timed("graph and components", lambda: gcl.data.from_anndata(adata, **options))
    # Components are of either sign, and their sums nothing to divide by.
    method = getattr(gcl.methods, recipe)(data, hidden=64, normalize=False)
    timed(f"train {recipe}, {epochs} epochs", lambda: gcl.fit(method, data, epochs=epochs))
    z = timed("embed", lambda: gcl.embed(method, data))
    timed("ten nearest of one spot", lambda: gcl.nearest(z, data.ids, 10, data.ids[7]))
    timed(EXTRA, lambda: gcl.nearest(z, data.ids, 10))
    return {"data": data, "z": z}, seconds


def ari(z: Any, domain: Any) -> float:
    return float(adjusted_rand_score(domain, gcl.evaluate.clusters(z, DOMAINS)))


def measure(spots: int, genes: int, recipe: str, epochs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spots.h5ad"
        adata = tissue(spots, genes)
        density = adata.X.nnz / (spots * genes)
        adata.write_h5ad(path)
        del adata
        kept: list[Any] = []
        peak = peak_extra_mb(lambda: kept.extend(how_to(path, recipe, epochs)))
    found, seconds = kept
    rows = [{"step": n, "cpu_s": cpu, "wall_s": wall} for n, (cpu, wall) in seconds.items()]
    steps = [row for row in rows if row["step"] != EXTRA]
    total = {f"{kind}_s": sum(row[f"{kind}_s"] for row in steps) for kind in ("cpu", "wall")}
    data, z = found["data"], found["z"]
    return {
        "title": f"{spots:,} spots, {genes:,} genes, from a file to nearest neighbours",
        "rows": [*rows, {"step": f"all but {EXTRA}", **total, "peak_mb": peak}],
        "density": density,
        "edges": data.num_edges,
        "ari": {"embeddings": ari(z, data.y), "components": ari(data.x, data.y)},
        **provenance(),
    }


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spots", type=int, default=30_000)
    parser.add_argument("--genes", type=int, default=3_000)
    parser.add_argument("--recipe", default="ggd")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(args)
    torch.set_num_threads(chosen.threads)
    found = measure(chosen.spots, chosen.genes, chosen.recipe, chosen.epochs)
    if chosen.json:
        print(json.dumps(found, indent=2))
        return
    for row in found["rows"]:
        peak = f"{row['peak_mb']:10.0f} MB" if "peak_mb" in row else ""
        print(f"{row['step']:36} {row['cpu_s']:8.2f} s CPU {row['wall_s']:8.2f} s{peak}")
    print(f"clusters against domains: {found['ari']}; {found['density']:.1%} of counts above zero")


if __name__ == "__main__":
    main()
