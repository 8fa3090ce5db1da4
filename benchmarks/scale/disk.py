"""Training on a graph that lies in files: memory that is held, and milliseconds a batch.

    python benchmarks/scale/disk.py --folder runs/disk
    python benchmarks/scale/disk.py --folder runs/disk --json > benchmarks/results/scale-disk.json

A block model of 10 million nodes with 64 features and 100 million directed edges, written by
`gcl.datasets.sbm_to_files` where the folder is not there (4.2 GB). Each row is a process of its
own, one thread. `opened` to `end` are megabytes of anonymous memory (RssAnon) after the graph was
opened, the loader made, a tenth, half and all of the batches taken: pages of the files, which the
system takes back when it needs them, are no part of it; the libraries' own memory is. `ms` is the
median of wall time a batch, `cpu_ms` of CPU time; of `making` they are all of it, and `end` is the
most that was held; the same of `propagating`, two hops by `AddPropagated(folder=)`, of
which `rows` takes batches. glibc is told to hand freed blocks of a megabyte back
(MALLOC_MMAP_THRESHOLD_), but for the row with its own rule, by which holes stay taken that arrays
of changing sizes leave.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import options, report

import gcl
from gcl.loader import NeighborBatches, PartitionBatches

NODES, SEEDS = 10_000_000, 1024
BATCHES = {
    "neighbours": 200,
    "random parts": 20,
    "GRACE": 50,
    "GRACE, glibc's rule": 50,
    "rows": 200,
}
RULE = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def anonymous_mb() -> float:
    """What the process holds that is no page of a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (told,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(told.split()[1]) * 1024 / 1e6


class Watch(gcl.callbacks.Callback):
    """Looks at memory and at the clock, after the graph, the loader and batches."""

    def __init__(self, batches: int):
        self.batches, self.held = batches, list[float]()
        self.ticks, self.used = list[float](), list[float]()

    @property
    def marks(self) -> tuple[int, int, int]:
        return max(1, self.batches // 10), max(1, self.batches // 2), self.batches

    def look(self) -> None:
        self.held.append(anonymous_mb())

    def tick(self) -> None:
        self.ticks.append(time.perf_counter())
        self.used.append(time.process_time())
        for _ in range(self.marks.count(len(self.ticks) - 1)):
            self.look()

    def on_start(self, state: Any) -> None:
        self.tick()

    def on_step_end(self, state: Any, total: int | None) -> None:
        self.tick()

    def take(self, loader: Iterable[Any]) -> None:
        """So many batches, each let go before the next."""
        batches = endless(loader)
        self.tick()
        for _ in range(self.batches):
            next(batches)
            self.tick()

    def row(self, what: str) -> dict[str, Any]:
        took, used = (
            statistics.median(1e3 * (b - a) for a, b in pairwise(clock))
            for clock in (self.ticks, self.used)
        )
        names = ("opened", "constructed", "tenth", "half", "end")
        return {"what": what, "batches": self.batches, "ms": took, "cpu_ms": used,
                **dict(zip(names, self.held, strict=True))}  # fmt: skip


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def open_or_make(folder: str, scale: float) -> Any:
    """The graph, made where it is not there."""
    nodes = int(NODES * scale)
    return gcl.datasets.sbm_to_files(folder, nodes, 10, block=max(1, nodes // 20))


def propagated(folder: str, scale: float) -> Any:
    """Two hops of the graph, beside it; made where they are not there."""
    transform = gcl.transforms.AddPropagated(2, folder=f"{folder}-propagated")
    return transform(open_or_make(folder, scale))


ONCE = {"making": open_or_make, "propagating": propagated}


def at_its_most(what: str, make: Callable[[], Any]) -> dict[str, Any]:
    """A row for what is made once."""
    most, done = [0.0], threading.Event()
    started, used = time.perf_counter(), time.process_time()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], anonymous_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    make()
    done.set()
    watcher.join()
    return {"what": what, "batches": None, "ms": 1e3 * (time.perf_counter() - started),
            "cpu_ms": 1e3 * (time.process_time() - used), "opened": None, "constructed": None,
            "tenth": None, "half": None, "end": most[0]}  # fmt: skip


def measured(part: str, folder: str, scale: float) -> dict[str, Any]:
    watch = Watch(BATCHES[part])
    data = (propagated if part == "rows" else open_or_make)(folder, scale)
    watch.look()
    size = max(8, int(SEEDS * scale))
    if part == "random parts":
        parts = PartitionBatches(data, max(20, int(1000 * scale)), parts="random")
        watch.look()
        watch.take(parts)
        told = f"{parts.batch_size} nodes and the edges between them"
    elif part in ("neighbours", "rows"):
        fanout = [10, 10] if part == "neighbours" else []
        loader = NeighborBatches(data, fanout, batch_size=size)
        watch.look()
        watch.take(loader)
        told = f"{size} seeds, {fanout}"
    else:
        torch.manual_seed(0)
        some = torch.randint(data.num_nodes, (2 * size * watch.batches,)).unique()
        some = some[torch.randperm(len(some))[: size * watch.batches]]
        loader = NeighborBatches(data, [10, 10], batch_size=size, input_nodes=some)
        method = gcl.methods.grace(data, hidden=64)
        watch.batches = len(loader)
        watch.look()
        gcl.fit(method, loader, epochs=1, callbacks=[watch])
        told = f"{size} seeds, [10, 10], 64 wide"
    return watch.row(f"{part}: {told}")


def in_a_fresh_process(part: str, chosen: Any) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", part, "--folder", chosen.folder]
    command += ["--scale", str(chosen.scale), "--threads", str(chosen.threads)]
    told = {} if part.endswith("rule") else RULE
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **told})
    return json.loads(done.stdout)


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes, for a short look")
    parser.add_argument("--folder", default="runs/disk", help="of the graph")
    parser.add_argument("--part", choices=(*ONCE, *BATCHES), help="one of them, in this process")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    if chosen.part is not None:
        if chosen.part in ONCE:
            make = ONCE[chosen.part]
            row = at_its_most(chosen.part, lambda: make(chosen.folder, chosen.scale))
        else:
            row = measured(chosen.part, chosen.folder, chosen.scale)
        print(json.dumps(row))
        return
    once = [] if Path(chosen.folder).exists() else ["making"]
    if not Path(f"{chosen.folder}-propagated").exists():
        once.append("propagating")
    rows = [in_a_fresh_process(part, chosen) for part in (*once, *BATCHES)]
    data = open_or_make(chosen.folder, chosen.scale)
    title = (
        f"{data.num_nodes:,} nodes, {data.num_edges:,} edges in files, {chosen.threads} thread(s)"
    )
    report(title, rows, chosen.json)


if __name__ == "__main__":
    main()
