"""Batches of a graph: neighbours sampled here and in plain Python, and parts by METIS.

    python benchmarks/scale/sampler.py
    python benchmarks/scale/sampler.py --json > benchmarks/results/scale-sampler.json

Random graphs of ogbn-arxiv's size and of a million nodes, one thread, CPU seconds. A rate is that
of whole batches with features, medians; the plain sampler takes turns with ours and gives nodes and
edges alone. `held_mb` is what a loader keeps beyond the graph and what a batch needs at its peak,
`peak_mb` that of making the loader. METIS cuts a graph of as many communities as parts, and one of
ten, in a process of its own; it takes minutes and gigabytes, and --no-parts leaves it out.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import resource
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

import gcl
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

        kept: list[Any] = []
        before = resident_mb()
        peak = peak_extra_mb(
            lambda kept=kept, fanout=fanout: kept.append(
                NeighborBatches(data, fanout, batch_size=size)
            )
        )
        next(iter(kept[0]))  # what is made for the first batch
        held = resident_mb() - before
        some = endless(kept[0])
        held += peak_extra_mb(lambda some=some: drop(some, 20))
        rows.append(
            {
                "graph": title,
                "what": f"{size} seeds, {fanout}",
                "cpu_ms": took["ours"],
                "seeds_a_second": 1e3 * size / took["ours"],
                "plain_python_ms": took.get("plain"),
                "times_plain": took["plain"] / took["ours"] if "plain" in took else None,
                "held_mb": held,
                "peak_mb": peak,
            }
        )
    return rows


def drop(batches: Iterator[Any], count: int) -> None:
    """So many batches, each let go before the next."""
    for _ in range(count):
        next(batches)


def resident_mb() -> float:
    """Memory of the process, freed blocks handed back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def parts(nodes: int, count: int, communities: int) -> dict[str, Any]:
    """METIS on a graph of 20 links a node, in a fork that tells its peak."""
    data = gcl.datasets.sbm(nodes, communities, degree=20, num_features=1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = resident_mb()
        started = time.process_time()
        found = partition(data.edge_index, nodes, count, engine="metis")
        seconds = time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before
        source, target = found[data.edge_index]
        size = torch.bincount(found, minlength=count)
        cut = float((source != target).float().mean())
        told = [seconds, peak, int(size.min()), int(size.max()), cut]
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        seconds, peak, least, most, cut = json.loads(pipe.read())
    os.waitpid(child, 0)
    return {
        "graph": f"{data.num_nodes:,} nodes, {data.num_edges:,} edges, {communities} communities",
        "what": f"METIS, {count} parts of {least} to {most} nodes, cut {cut:.2f}",
        "cpu_ms": 1e3 * seconds, "seeds_a_second": None, "plain_python_ms": None,
        "times_plain": None, "held_mb": None, "peak_mb": peak,
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
        nodes, count = int(1_000_000 * chosen.scale), max(2, int(512 * chosen.scale))
        rows += [parts(nodes, count, communities) for communities in (count, 10)]
    report(f"Batches of a graph, {chosen.threads} thread(s)", rows, chosen.json)


if __name__ == "__main__":
    main()
