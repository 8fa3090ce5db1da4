"""A contrastive batch of 16 graphs: by `fit(accumulate=16)`'s two passes, and as one graph.

    python benchmarks/scale/grad_cache.py --json benchmarks/results/scale-grad-cache.json

GRACE on parts of a random graph, one thread. CPU seconds of a step (forward and backward) are
medians, in turns; memory is the peak beyond what was there before, in a run of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch_geometric.data import Batch

import gcl
from gcl.checkpoint import write_atomically
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.provenance import provenance
from gcl.training.grad_cache import accumulated_backward


def cpu_seconds(step: Callable[[], None]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--rows", type=int, default=512, help="nodes of a chunk")
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--proj", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chunks = [
        gcl.datasets.sbm(chosen.rows, 4, num_features=chosen.features, seed=seed)
        for seed in range(chosen.chunks)
    ]
    torch.manual_seed(0)
    method = gcl.methods.grace(chunks[0], hidden=chosen.hidden, proj=chosen.proj)
    whole = Batch.from_data_list(chunks)

    def in_two_passes() -> None:
        method.zero_grad()
        accumulated_backward(method, method, chunks, nullcontext)

    def at_once() -> None:
        method.zero_grad()
        method(whole).backward()

    ways = {"two passes": in_two_passes, "one graph": at_once}
    seconds = {name: list[float]() for name in ways}
    for repeat in range(chosen.repeats + 1):
        for name, step in ways.items():
            taken = cpu_seconds(step)
            if repeat:  # the first is to warm up
                seconds[name].append(taken)
    rows = {
        name: {"cpu_s": statistics.median(seconds[name]), "peak_mb": peak_extra_mb(step)}
        for name, step in ways.items()
    }
    ratio = {key: rows["two passes"][key] / rows["one graph"][key] for key in ("cpu_s", "peak_mb")}
    for name, row in rows.items():
        print(f"{name:12} {row['cpu_s']:7.2f} CPU s  {row['peak_mb']:7.0f} MB")
    print(f"{'ratio':12} {ratio['cpu_s']:7.2f}        {ratio['peak_mb']:7.2f}")
    if chosen.json is not None:
        told = {"setting": vars(chosen) | {"json": None}, "ways": rows, "ratio": ratio}
        text = json.dumps({**told, **provenance()}, indent=1)
        write_atomically(chosen.json, f"{text}\n".encode())


if __name__ == "__main__":
    main()
