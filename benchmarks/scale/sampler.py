"""Batches of a graph: neighbours sampled here and in plain Python, and parts by METIS.

    python benchmarks/scale/sampler.py
    python benchmarks/scale/sampler.py --json > benchmarks/results/scale-sampler.json

Random graphs of ogbn-arxiv's size and of a million nodes, one thread, CPU seconds. A rate is that
of whole batches with features, medians; the plain sampler takes turns with ours and gives nodes and
edges alone. Memory is what the loader and 20 batches take beyond the graph. METIS takes about half
a minute and 3 GB; --no-parts leaves it out.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import options, report

from gcl.experiments.memory import peak_extra_mb
from gcl.loader import NeighborBatches, partition


def random_graph(nodes: int, edges: int) -> Data:
    """So many directed edges, both directions of each, listed by source as PyG does."""
    generator = torch.Generator().manual_seed(0)
    half = torch.randint(nodes, (2, edges // 2), generator=generator)
    source, target = torch.cat([half, half.flip(0)], dim=1)
    order = (source * nodes + target).argsort()
    x = torch.randn(nodes, 16, generator=generator)
    return Data(x=x, edge_index=torch.stack([source[order], target[order]]))


class PlainSampler:
    """The same draw a node at a time: lists of neighbours, `random.sample`, a dict of numbers."""

    def __init__(self, data: Data):
        self.neighbors: list[list[int]] = [[] for _ in range(data.num_nodes)]
        for source, target in data.edge_index.t().tolist():
            self.neighbors[target].append(source)

    def __call__(self, seeds: list[int], fanout: list[int]) -> tuple[Tensor, Tensor]:
        number = {node: i for i, node in enumerate(seeds)}
        nodes, frontier = list(seeds), list(seeds)
        rows, columns = list[int](), list[int]()
        for k in fanout:
            fresh = list[int]()
            for node in frontier:
                near, row = self.neighbors[node], number[node]
                for other in near if len(near) <= k else random.sample(near, k):
                    place = number.get(other)
                    if place is None:
                        place = number[other] = len(nodes)
                        nodes.append(other)
                        fresh.append(other)
                    rows.append(row)
                    columns.append(place)
            frontier = fresh
        return torch.tensor(nodes), torch.tensor([columns, rows])


def endless(loader: NeighborBatches) -> Iterator[Any]:
    while True:
        yield from loader


def in_turns(calls: dict[str, Any], repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of a call."""
    used: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            if turn:  # the first turn warms up
                used[name].append(1e3 * (time.process_time() - started))
    return {name: statistics.median(values) for name, values in used.items()}


def sampled(data: Data, title: str, repeats: int, rival: bool, size: int) -> list[dict[str, Any]]:
    plain = PlainSampler(data) if rival else None
    rows = []
    for fanout in ([10, 10], [15, 10, 5]):
        batches = endless(NeighborBatches(data, fanout, batch_size=size))
        calls: dict[str, Any] = {"ours": lambda batches=batches: next(batches)}
        if plain is not None:
            seeds = torch.randperm(data.num_nodes)[:size].tolist()
            calls["plain"] = lambda seeds=seeds, fanout=fanout: plain(seeds, fanout)
        took = in_turns(calls, repeats)

        def some(fanout: list[int] = fanout) -> None:
            loader = endless(NeighborBatches(data, fanout, batch_size=size))
            for _ in range(20):
                next(loader)

        rows.append(
            {
                "graph": title,
                "what": f"{size} seeds, {fanout}",
                "cpu_ms": took["ours"],
                "seeds_a_second": 1e3 * size / took["ours"],
                "plain_python_ms": took.get("plain", float("nan")),
                "times_plain": took.get("plain", float("nan")) / took["ours"],
                "extra_mb": peak_extra_mb(some),
            }
        )
    return rows


def parts(data: Data, title: str, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def call() -> None:
        started = time.process_time()
        found["parts"] = partition(data.edge_index, data.num_nodes, count, engine="metis")
        found["seconds"] = time.process_time() - started

    extra = peak_extra_mb(call, every=0.01)
    source, target = found["parts"][data.edge_index]
    size = torch.bincount(found["parts"], minlength=count)
    told = f"METIS, {count} parts of {int(size.min())} to {int(size.max())} nodes, " + (
        f"cut {float((source != target).float().mean()):.2f}"
    )
    nothing = float("nan")
    return {
        "graph": title, "what": told, "cpu_ms": 1e3 * found["seconds"], "seeds_a_second": nothing,
        "plain_python_ms": nothing, "times_plain": nothing, "extra_mb": extra,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes, for a short look")
    parser.add_argument("--no-parts", action="store_true", help="leave METIS out")
    parser.set_defaults(repeats=21)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    random.seed(0)
    torch.manual_seed(0)
    rows, size = list[dict[str, Any]](), max(1, int(1024 * chosen.scale))
    for nodes, edges, rival in ((169_000, 2_450_000, True), (1_000_000, 21_000_000, False)):
        data = random_graph(int(nodes * chosen.scale), int(edges * chosen.scale))
        title = f"{data.num_nodes:,} nodes, {data.num_edges:,} edges"
        rows += sampled(data, title, chosen.repeats, rival, size)
    if not chosen.no_parts:
        rows.append(parts(data, title, max(2, int(512 * chosen.scale))))
    report(f"Batches of a graph, {chosen.threads} thread(s)", rows, chosen.json)


if __name__ == "__main__":
    main()
