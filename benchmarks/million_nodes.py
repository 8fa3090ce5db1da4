"""GRACE with meta-node negatives on a random graph of a million nodes and ten million links.

    python benchmarks/million_nodes.py --out million
    python benchmarks/million_nodes.py --out million --epochs 8 --resume

Full batch, on the CPU. Writes the log, and a checkpoint after every epoch, to the folder; prints
time and memory of each stage and, at the end, the accuracy of a linear probe on raw features and
embeddings (10 % of the nodes for training).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch_geometric.seed import seed_everything

import gcl
from gcl import evaluate
from gcl.callbacks import Checkpoint, CSVLog, MonitorMetaNodes, ProgressBar


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print what a stage took, and the most memory the process has held so far."""
    started = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{name}: {time.perf_counter() - started:.1f} s, peak memory so far {peak:.2f} GB")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--degree", type=float, default=20.0, help="links of a node (default 20)")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=64, help="width of the embeddings")
    parser.add_argument("--clusters", type=int, default=100, help="meta-nodes")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("million"), help="folder")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    chosen = parser.parse_args(arguments)

    saved = chosen.out / "checkpoint.safetensors"
    if chosen.resume and not saved.is_file():
        parser.error(f"{saved} does not exist, so there is nothing to go on from")
    if not chosen.resume and saved.exists():
        parser.error(f"{saved} exists; go on with --resume, or give another --out")
    with stage("graph"):
        data = gcl.datasets.sbm(
            chosen.nodes, chosen.classes, degree=chosen.degree, seed=chosen.seed
        )
    print(f"{data.num_nodes:,} nodes, {data.num_edges // 2:,} undirected edges")
    seed_everything(chosen.seed)
    method = gcl.methods.meta_nodes(
        gcl.methods.grace(data, hidden=chosen.hidden, proj=chosen.hidden, normalize=False),
        clusters=chosen.clusters,
    )
    with stage(f"training to epoch {chosen.epochs}"):
        gcl.fit(
            method,
            data,
            epochs=chosen.epochs,
            lr=1e-3,
            callbacks=[
                ProgressBar("million nodes"),
                MonitorMetaNodes(every=chosen.epochs),
                CSVLog(chosen.out / "log.csv", every=1),
                Checkpoint(saved, every=1),
            ],
            resume=saved if chosen.resume else None,
        )
    print((chosen.out / "log.csv").read_text().rstrip())
    with stage("embedding"):
        z = gcl.embed(method, data)
    with stage("linear probe"):
        splits = evaluate.random_splits(chosen.nodes, seed=chosen.seed, num_splits=1)
        for name, features in (("raw features", data.x), ("embedding", z)):
            found = evaluate.linear_probe(features, data.y, splits=splits)
            print(f"{name}: accuracy {100 * found['accuracy']:.1f} %")


if __name__ == "__main__":
    main()
