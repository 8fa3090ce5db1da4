"""All that is to be known on a GPU, in one run of less than eight minutes.

    GCL_DATA=... python benchmarks/on_cuda.py

Runs the tests marked `cuda`, then measures, forward and backward: the contrastive losses on up to a
million rows; one GCN layer on a graph of ogbn-arxiv's size against PyG's; an epoch of every recipe
on Cora and PubMed against the same recipe with PyG's `GCNConv` in its encoder (of recipes without a
GCN, and those for other graphs, there is no such row, or no row).
A row is written as soon as it is measured, to `cuda-tests.csv`, `cuda-losses.csv`, `cuda-gcn.csv`
and `cuda-epochs.csv` in the folder of `--out`. What would take longer than the time that is left,
by what smaller sizes took, is left out, and said so.

`--device cpu` measures the same on a CPU, without the tests: to try the script itself.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.seed import seed_everything
from torch_geometric.utils import coalesce, to_undirected

import gcl
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.provenance import provenance
from gcl.losses import DCL, BarlowTwins, InfoNCE, Sigmoid
from gcl.ops import tiling

ROOT = Path(__file__).parents[1]
RECIPES = (
    "afgrl", "bgrl", "cca_ssg", "costa", "csgcl", "dgi", "gbt", "gca", "ggd", "grace",
    "graphmae", "mvgrl", "ns4gc", "pamc", "progcl", "scgc", "sgrl", "sugrl", "vicreg",
)  # fmt: skip
# Shares of the time: what is not used is left to those that follow.
UNTIL = {"tests": 0.35, "gcn": 0.45, "epochs": 0.75, "losses": 1.0}
Row = dict[str, Any]


class Clock:
    """What is left of the time."""

    def __init__(self, seconds: float):
        self.started, self.seconds = time.perf_counter(), seconds

    def left(self, section: str) -> float:
        """Seconds until the end of a section."""
        return UNTIL[section] * self.seconds - (time.perf_counter() - self.started)


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def seconds_of(call: Callable[[], Any], device: str) -> float:
    """Of one call, the device's work included."""
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measured(call: Callable[[], Any], device: str, left: float) -> Row:
    """The median time of up to five calls, and the memory of one, within the time that is left."""
    found: list[float] = []
    memory = peak_extra_mb(lambda: found.append(seconds_of(call, device)), device)
    first = found.pop()  # warms up; counts where there is no time for another one
    while len(found) < 5 and first * (len(found) + 1) < left / 4:
        found.append(seconds_of(call, device))
    times = sorted(found) or [first]
    return {"ms": 1e3 * times[len(times) // 2], "calls": len(times), "extra_mb": memory}


def rows_of_tests(chosen: Any, clock: Clock) -> Iterator[Row]:
    if chosen.device != "cuda":
        print("tests: left out, they need a CUDA device")
        return
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider"]
    left = clock.left("tests")
    try:
        done = subprocess.run(
            [*command, "tests/test_cuda.py"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=left,
        )
        said = done.stdout
    except subprocess.TimeoutExpired as late:
        said = f"{(late.stdout or b'').decode()}\nnot done after {left:.0f} s"
    for line in said.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            yield {"test": line}
    yield {"test": "in all: " + next((x for x in reversed(said.splitlines()) if x.strip()), "")}


def within(loss: Callable[..., Tensor], **settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    def value(z1: Tensor, z2: Tensor) -> Tensor:
        with tiling(**settings):
            return loss(z1, z2)

    return value


def plain(z1: Tensor, z2: Tensor) -> Tensor:
    """InfoNCE on N x N arrays, as a careful user writes it."""
    u, v = nn.functional.normalize(z1), nn.functional.normalize(z2)
    across, first, second = u @ v.t() / 0.4, u @ u.t() / 0.4, v @ v.t() / 0.4
    first.fill_diagonal_(-torch.inf)
    second.fill_diagonal_(-torch.inf)
    forth = torch.cat([across, first], 1).logsumexp(1)
    back = torch.cat([across.t(), second], 1).logsumexp(1)
    return ((forth + back) / 2 - across.diagonal()).mean()


def rows_of_losses(chosen: Any, clock: Clock) -> Iterator[Row]:
    table = {
        "InfoNCE": within(InfoNCE(0.4), implementation="tiled"),
        "InfoNCE, bf16": within(InfoNCE(0.4), implementation="tiled", precision="bf16"),
        "InfoNCE, plain N x N": plain,
        "DCL": within(DCL(0.4), implementation="tiled"),
        "Sigmoid": within(Sigmoid(), implementation="tiled"),
        "BarlowTwins": BarlowTwins(),
    }
    took: dict[str, tuple[int, float]] = {}
    for n in chosen.nodes:
        for name, loss in table.items():
            left = clock.left("losses")
            rows, last = took.get(name, (n, 0.0))
            expected = last * (n / rows) ** 2  # all of them at most
            if expected > left / 2 or left < 5:
                print(f"losses: {name} on {n:,} rows left out, would take {expected:.0f} s")
                continue
            try:
                row = _loss_row(loss, n, chosen, left)
            except torch.OutOfMemoryError:
                print(f"losses: {name} on {n:,} rows left out, does not fit")
                took[name] = (n, float("inf"))
                continue
            took[name] = (n, row["ms"] / 1e3)
            yield {"loss": name, "N": n, "D": chosen.dims, **row}


def _loss_row(loss: Callable[..., Tensor], n: int, chosen: Any, left: float) -> Row:
    generator = torch.Generator(chosen.device).manual_seed(0)
    z1, z2 = (
        torch.randn(n, chosen.dims, device=chosen.device, generator=generator).requires_grad_()
        for _ in range(2)
    )

    def step() -> None:
        z1.grad = z2.grad = None
        loss(z1, z2).backward()

    return measured(step, chosen.device, left)


def rows_of_gcn(chosen: Any, clock: Clock) -> Iterator[Row]:
    torch.manual_seed(0)
    n, half = chosen.graph_nodes, chosen.graph_edges // 2
    # Heavy-tailed degrees, as citation graphs have them.
    ends = torch.stack([(n * torch.rand(half) ** 3).long(), torch.randint(n, (half,))])
    edges = coalesce(to_undirected(ends)).to(chosen.device)
    d, device = chosen.dims, chosen.device
    x = torch.randn(n, d).to(device).requires_grad_()
    up = torch.randn(n, d).to(device)
    ours = gcl.nn.GCNEncoder(d, d, num_layers=1, act=None).to(device)
    layers: dict[str, Callable[..., Tensor]] = {
        "gcl GCNEncoder": ours,
        "gcl GCNEncoder, new edge list": lambda x, edges: ours(x, edges.clone()),
        "PyG GCNConv": GCNConv(d, d).to(device),
        "PyG GCNConv, cached": GCNConv(d, d, cached=True).to(device),
    }
    for name, layer in layers.items():
        if clock.left("gcn") < 2:
            print(f"gcn: {name} left out, no time")
            continue

        def step(layer: Callable[..., Tensor] = layer) -> None:
            x.grad = None
            layer(x, edges).backward(up)

        found = measured(step, device, clock.left("gcn"))
        yield {"layer": name, "nodes": n, "edges": edges.shape[1], "D": d, **found}


class PyGLayers(nn.Module):
    """The layers of a `GCNEncoder`, and what comes after each, with PyG's message passing."""

    def __init__(self, encoder: gcl.nn.GCNEncoder):
        super().__init__()
        self.layers = nn.ModuleList(GCNConv(*w.shape) for w in encoder.weights)
        self.afters, self.out_channels = encoder.afters, encoder.out_channels

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        x = x.to_dense() if x.layout != torch.strided else x
        for layer, after in zip(self.layers, self.afters, strict=True):
            x = after(layer(x, edge_index, edge_weight))
        return x

    def reset_parameters(self) -> None:
        for layer in self.layers:
            layer.reset_parameters()


def rows_of_epochs(chosen: Any, clock: Clock) -> Iterator[Row]:
    for dataset in chosen.datasets:
        data = gcl.datasets.load(dataset)
        for recipe in chosen.recipes:
            for layers in ("gcl", "PyG"):
                if clock.left("epochs") < 5:
                    print(f"epochs: {recipe} on {dataset} ({layers}) left out, no time")
                    continue
                try:
                    step = _epoch(recipe, data, layers, chosen.device)
                    if step is None:
                        continue
                    found = measured(step, chosen.device, clock.left("epochs") / 20)
                except torch.OutOfMemoryError:
                    print(f"epochs: {recipe} on {dataset} ({layers}) left out, does not fit")
                    continue
                yield {"recipe": recipe, "dataset": dataset, "layers": layers, **found}


def _epoch(recipe: str, data: Any, layers: str, device: str) -> Callable[[], None] | None:
    make = getattr(gcl.methods, recipe)
    seed_everything(0)
    # Pre-training and restarts happen before the first epoch.
    before = {"pretrain_epochs": 0} if recipe in ("pamc", "scgc") else {}
    method = make(data, **before)
    if layers == "PyG":
        encoder = getattr(method, "encoder", None)
        if not isinstance(encoder, gcl.nn.GCNEncoder):
            return None
        method = make(data, encoder=PyGLayers(encoder), **before)
    method = method.to(device)
    prepared = method.prepare(data.clone().to(device))
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-3)
    number = 0

    def step() -> None:
        nonlocal number
        number += 1
        optimizer.zero_grad(set_to_none=True)
        method(prepared).backward()
        optimizer.step()
        method.after_step(number, 1000)

    step()  # what a training finds out once
    return step


SECTIONS: dict[str, Callable[[Any, Clock], Iterator[Row]]] = {
    "tests": rows_of_tests,
    "gcn": rows_of_gcn,
    "epochs": rows_of_epochs,
    "losses": rows_of_losses,
}


def write(path: Path, rows: Iterator[Row], told: Row) -> None:
    """The rows, each as soon as it is there."""
    writer = None
    with path.open("w", newline="") as file:
        for row in rows:
            full = {**row, **told}
            if writer is None:
                writer = csv.DictWriter(file, list(full), lineterminator="\n")
                writer.writeheader()
            writer.writerow(full)
            file.flush()
            print(", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    if writer is None:
        path.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder")
    parser.add_argument("--minutes", type=float, default=7.5, help="that it may take")
    parser.add_argument("--only", nargs="+", default=[*SECTIONS], choices=[*SECTIONS])
    parser.add_argument("--nodes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--graph-nodes", type=int, default=169_343)
    parser.add_argument("--graph-edges", type=int, default=2_330_000, help="directed, about")
    parser.add_argument("--datasets", nargs="+", default=["cora", "pubmed"])
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    chosen = parser.parse_args(arguments)
    if chosen.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu tries the script itself")
    chosen.out.mkdir(parents=True, exist_ok=True)
    clock = Clock(60 * chosen.minutes)
    command = "python benchmarks/on_cuda.py " + " ".join(
        sys.argv[1:] if arguments is None else arguments
    )
    told = {"device": device_name(chosen.device), "command": command.strip(), **provenance()}
    # An earlier run's answers are not those of this one.
    for section in chosen.only:
        with suppress(FileNotFoundError):
            (chosen.out / f"cuda-{section}.csv").unlink()
    for section, rows in SECTIONS.items():
        if section in chosen.only:
            print(f"==> {section}")
            write(chosen.out / f"cuda-{section}.csv", rows(chosen, clock), told)
    print(f"done in {time.perf_counter() - clock.started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
