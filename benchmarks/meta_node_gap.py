"""How far sums over meta-nodes are from sums over nodes: values and gradients.

python benchmarks/meta_node_gap.py --out benchmarks/results/meta-node-gap.json

For every embedding, number of clusters and temperature: the gap between the exact
`mean_i log sum_j exp(<u_i, u_j> / tau)` and each proxy, the cosine between their gradients with
respect to z, and the two bounds. Tight, loose and unbalanced clusters are drawn with their labels;
the digits are clustered by spherical k-means. Float64.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import normalize

from gcl.datasets import load
from gcl.experiments.provenance import provenance
from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.kmeans import spherical_kmeans

FORMS: dict[str, dict[str, Any]] = {
    "node": {"proxy": "node"},
    "second order": {"proxy": "node", "second_order": True},
    "pair": {"proxy": "pair"},
    "paper": {"proxy": "paper"},
}


def blobs(sizes: list[int], spread: float, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows around unit centres, with their labels."""
    generator = torch.Generator().manual_seed(seed)
    centers = normalize(torch.randn(len(sizes), d, generator=generator, dtype=torch.float64))
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    noise = torch.randn(len(labels), d, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * noise, labels


def embeddings(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    made = {
        "8 tight balanced clusters, d = 16": blobs([250] * 8, 0.1, 16, seed),
        "8 loose balanced clusters, d = 16": blobs([250] * 8, 0.25, 16, seed),
        "8 clusters, sizes halving, d = 16": blobs([1024 >> i for i in range(8)], 0.2, 16, seed),
    }
    x = load("digits").x.double()
    x = x - x.mean(0)
    for k in (10, 100, 300):
        made[f"digits, centred pixels, k-means K = {k}"] = x, spherical_kmeans(x, k, seed=seed)[0]
    return made


def gradient(value: Callable[[Tensor], Tensor], z: Tensor) -> tuple[float, Tensor]:
    z = z.clone().requires_grad_()
    loss = value(z)
    return float(loss.detach()), torch.autograd.grad(loss, z)[0].flatten()


def compare(z: Tensor, labels: Tensor, tau: float) -> dict[str, Any]:
    def exact(z: Tensor) -> Tensor:
        u = normalize(z)
        return (u @ u.t() / tau).logsumexp(1).mean()

    value, slope = gradient(exact, z)
    row: dict[str, Any] = {"1/tau": 1 / tau}
    for name, form in FORMS.items():
        proxy, other = gradient(
            lambda z, form=form: meta_node_logsumexp(z, z, tau, labels, **form).mean(), z
        )
        if name != "paper":  # whose value is that of K clusters, not of n nodes
            row[f"{name} gap"] = value - proxy
        row[f"{name} cos"] = float(torch.cosine_similarity(slope, other, dim=0))
    return row | meta_node_bound(z, labels, tau)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 2.25, 5.0], help="1/tau")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON file")
    chosen = parser.parse_args(arguments)
    rows = [
        {"embedding": name, **compare(z, labels, 1 / scale)}
        for name, (z, labels) in embeddings(chosen.seed).items()
        for scale in chosen.scales
    ]
    table = Table(title="Gap to the exact sums (nats), cosine of gradients")
    for key in rows[0]:
        table.add_column(key, justify="left" if key == "embedding" else "right")
    for row in rows:
        table.add_row(*(v if isinstance(v, str) else f"{v:.3f}" for v in row.values()))
    Console(width=150).print(table)
    if chosen.out is not None:
        command = "python " + " ".join(["benchmarks/meta_node_gap.py", *sys.argv[1:]])
        told = {"rows": rows, "command": command, **provenance()}
        chosen.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
