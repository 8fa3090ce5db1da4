"""Time and memory of rivals in one run: medians, taking turns, so that noise hits all alike."""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch_geometric.seed import seed_everything

from gcl.experiments.provenance import provenance
from gcl.experiments.run import Run
from gcl.training.loop import computing_in


def interleaved(
    rivals: dict[str, Callable[[], Any]],
    repeats: int,
    device: str = "cpu",
    warm: int = 1,
    calls: int = 1,
) -> dict[str, dict[str, float]]:
    """Median wall and CPU milliseconds of a call of every rival, so many calls of each in turn.

    CPU time counts all threads; with one thread it is the robust figure on a shared machine.
    """
    wall: dict[str, list[float]] = {name: [] for name in rivals}
    cpu: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(warm + repeats):
        for name, call in rivals.items():
            gc.collect()
            started, used = time.perf_counter(), time.process_time()
            for _ in range(calls):
                call()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= warm:  # the first turns warm up
                wall[name].append(1e3 * (time.perf_counter() - started) / calls)
                cpu[name].append(1e3 * (time.process_time() - used) / calls)
    return {
        name: {"wall_ms": statistics.median(wall[name]), "cpu_ms": statistics.median(cpu[name])}
        for name in rivals
    }


def return_freed_blocks() -> None:
    """Start this script again with an allocator that hands blocks of 64 KiB back when freed.

    By default glibc keeps them in its heap, whose holes then count as needed. Slows everything, so
    time and memory are measured in two runs.
    """
    name = "MALLOC_MMAP_THRESHOLD_"
    if name not in os.environ:
        here = [sys.executable, *sys.argv]
        os.execve(sys.executable, here, {**os.environ, name: str(1 << 16)})


def training_step(run: Run, data: Any) -> Callable[[], None]:
    """One epoch on the whole graph, to be timed."""
    seed_everything(0)
    method = run.build(data)
    prepared = method.prepare(data.to(run.device))
    optimizer = torch.optim.Adam(
        method.parameters(), lr=run.lr, weight_decay=run.weight_decay, foreach=True
    )  # as `fit` steps

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with computing_in(run.precision, torch.device(run.device)):
            loss = method(prepared)
        loss.backward()
        optimizer.step()

    return step


def options(description: str) -> argparse.ArgumentParser:
    """The options that every script here has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=5, help="timed turns (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def report(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    """A table of the rows, or JSON, with commit and machine."""
    told = {"command": "python " + " ".join(sys.argv), **provenance()}
    if as_json:
        print(json.dumps({"title": title, "rows": rows, **told}, indent=2))
        return
    table = Table(title=title, caption="\n".join(f"{k}: {v}" for k, v in told.items()))
    for key in rows[0]:
        table.add_column(key, justify="left" if isinstance(rows[0][key], str) else "right")
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=110).print(table)
