"""CPU seconds of InfoNCE and of meta-nodes over two processes, gathered rows, and one process.

    python benchmarks/scale/half_ring.py --json benchmarks/results/scale-half-ring.json

Every rank has half of the rows, on one thread. A step is forward and backward; the figure is the
median over `--repeats` of the CPU seconds (user and system) of a rank, the slower of the two. One
process has all rows and is timed by the first rank while the other sleeps. The ways take turns.
Between all rows the denominators come from the half ring, with meta-nodes from sums over clusters;
steps that move the centres are not among those measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing

import gcl
from gcl.distributed import GlobalBatch, alone


class Gathered(gcl.losses.InfoNCE):
    """The same loss of gathered rows: every rank makes all of it."""

    def forward(self, *rows: Tensor) -> Tensor:
        return super().forward(*rows)


def cpu_seconds(step: Callable[[], None]) -> float:
    started = os.times()
    step()
    ended = os.times()
    return ended.user - started.user + ended.system - started.system


def tables(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is measured: by name the numbers of rows, columns and clusters."""
    nodes = {"way": "half_ring", "rows": arguments.rows, "dim": arguments.dim, "clusters": None}
    clusters = {
        "way": "sums",
        "rows": arguments.meta_rows,
        "dim": arguments.meta_dim,
        "clusters": arguments.clusters,
    }
    return {"all_nodes": nodes, "meta_nodes": clusters}


def measure(rank: int, size: int, store: str, arguments: argparse.Namespace, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, size), rank=rank, world_size=size)
    found = {}
    for name, table in tables(arguments).items():
        found[name] = _times(rank, size, f"{store}.{name}", table, arguments.repeats)
    if rank == 0:
        Path(out).write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def _times(
    rank: int, size: int, marks: str, table: dict[str, Any], repeats: int
) -> dict[str, list[float]]:
    torch.manual_seed(0)
    z = torch.randn(2, table["rows"], table["dim"])
    mine = [v.chunk(size)[rank].clone().requires_grad_() for v in z]
    full = [v.clone().requires_grad_() for v in z]

    def loss(kind: type[gcl.losses.InfoNCE]) -> gcl.losses.InfoNCE:
        k = table["clusters"]
        return kind(0.4, negatives=None if k is None else gcl.losses.MetaNodeNegatives(k))

    several, gathered = GlobalBatch(loss(gcl.losses.InfoNCE)), GlobalBatch(loss(Gathered))
    plain = loss(gcl.losses.InfoNCE)

    def one_process() -> None:
        if rank == 0:
            with alone():
                plain(*full).backward()

    ways = {
        table["way"]: lambda: several(*mine).backward(),
        "gathered": lambda: gathered(*mine).backward(),
        "one_process": one_process,
    }
    times = {name: list[float]() for name in ways}
    for repeat in range(repeats + 1):
        for name, step in ways.items():
            for v in (*mine, *full):
                v.grad = None
            dist.barrier()
            seconds = torch.tensor(cpu_seconds(step), dtype=torch.float64)
            while name == "one_process" and not _is_there(marks, repeat, rank):
                time.sleep(0.2)  # a wait inside of the library would take the core
            dist.all_reduce(seconds, dist.ReduceOp.MAX)
            if repeat:  # the first is to warm up
                times[name].append(float(seconds))
    return times


def _is_there(marks: str, repeat: int, rank: int) -> bool:
    """Whether the first rank has come to the end of this turn."""
    mark = Path(f"{marks}.{repeat}")
    if rank == 0:
        mark.touch()
    return mark.exists()


def summary(table: dict[str, Any], times: dict[str, list[float]]) -> dict[str, Any]:
    seconds = {name: statistics.median(each) for name, each in times.items()}
    one = seconds["one_process"]
    return {
        "rows": table["rows"],
        "dim": table["dim"],
        "clusters": table["clusters"],
        "cpu_seconds": times,
        "median": seconds,
        "share_of_one_process": {name: value / one for name, value in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--meta-rows", type=int, default=200_000)
    parser.add_argument("--meta-dim", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/times.json"
        told = (arguments.ranks, f"{folder}/store", arguments, out)
        multiprocessing.spawn(measure, told, nprocs=arguments.ranks)
        times = json.loads(Path(out).read_text())
    found: dict[str, Any] = {
        "ranks": arguments.ranks,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    for name, table in tables(arguments).items():
        measured = summary(table, times[name])
        found |= measured if name == "all_nodes" else {name: measured}
        print(f"{name}: {table['rows']} rows of {table['dim']}")
        for way, value in measured["median"].items():
            share = measured["share_of_one_process"][way]
            print(f"  {way:12s} {value:7.2f} s of CPU a rank, {share:5.2f} of one process")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
