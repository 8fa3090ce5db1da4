"""Contrastive losses, forward + backward: time and peak memory against plain forms.

python benchmarks/speed/losses.py                              # the table and losses.png
python benchmarks/speed/losses.py --nodes 20000 --dims 128     # one size
python benchmarks/speed/losses.py --every-loss --nodes 20000 --dims 128 --repeats 1

The rivals of InfoNCE are what people run: the same formula on N x N arrays (written with care, and
as GRACE's authors do), the same in row blocks under `checkpoint`, and the algorithm of PyGCL. Times
are CPU seconds of one thread, rivals taking turns in one process. `of sgemm` is the share of the
time that the multiplications of the formula, 16 N^2 D operations, take at the rate of a single
matrix product measured in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from measure import interleaved, options, report
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from gcl import losses
from gcl.experiments.memory import peak_extra_mb
from gcl.losses import InfoNCE
from gcl.ops import tiling

TAU = 0.4
# N x N arrays of float32 that a rival holds at its peak, to leave out what cannot fit
ARRAYS = {"gcl dense": 12, "plain dense": 12, "GRACE dense": 8, "PyGCL": 25}


def plain(z1: Tensor, z2: Tensor) -> Tensor:
    """What a careful user writes: cosine logits, masked diagonal, logsumexp."""
    u, v = normalize(z1), normalize(z2)
    across, first, second = u @ v.t() / TAU, u @ u.t() / TAU, v @ v.t() / TAU
    itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
    first = first.masked_fill(itself, -torch.inf)
    second = second.masked_fill(itself, -torch.inf)
    positive = across.diagonal()
    forth = torch.cat([across, first], 1).logsumexp(1) - positive
    back = torch.cat([across.t(), second], 1).logsumexp(1) - positive
    return (forth.mean() + back.mean()) / 2


def grace(z1: Tensor, z2: Tensor) -> Tensor:
    """The dense form of GRACE's authors: powers, sums, minus the diagonal."""

    def side(a: Tensor, b: Tensor) -> Tensor:
        within, across = ((a @ k.t() / TAU).exp() for k in (a, b))
        total = within.sum(1) + across.sum(1) - within.diagonal()
        return -(across.diagonal() / total).log().mean()

    u, v = normalize(z1), normalize(z2)
    return (side(u, v) + side(v, u)) / 2


def blocked(z1: Tensor, z2: Tensor, block: int = 1024) -> Tensor:
    """The same in row blocks that are computed again in the backward pass."""
    u, v = normalize(z1), normalize(z2)

    def side(q: Tensor, own: Tensor, other: Tensor, start: int) -> Tensor:
        at = torch.arange(len(q), device=q.device)
        within = (q @ own.t() / TAU).index_put(
            (at, at + start), torch.full((), -torch.inf, device=q.device)
        )
        across = q @ other.t() / TAU
        return (torch.cat([across, within], 1).logsumexp(1) - across[at, at + start]).sum()

    total = u.new_zeros(())
    for start in range(0, len(u), block):
        rows = slice(start, start + block)
        total = total + checkpoint(side, u[rows], u, v, start, use_reentrant=False)
        total = total + checkpoint(side, v[rows], v, u, start, use_reentrant=False)
    return total / (2 * len(u))


def pygcl(z1: Tensor, z2: Tensor) -> Tensor:
    """PyGCL's steps: float masks of both directions first, exp before log, self as a negative."""

    def masks(anchor: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        itself = torch.eye(len(anchor), device=anchor.device)
        positive, negative = itself, 1.0 - itself
        within = torch.ones_like(itself) - torch.eye(len(anchor), device=anchor.device)
        positive = torch.cat([positive, torch.zeros_like(itself)], 1)
        negative = torch.cat([negative, within], 1)
        negative = 1.0 - positive  # no extra mask was given: what was built is thrown away
        return torch.cat([other, anchor]), positive, negative

    def side(anchor: Tensor, samples: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        similarity = normalize(anchor) @ normalize(samples).t() / TAU
        powers = torch.exp(similarity) * (positive + negative)
        log_p = similarity - torch.log(powers.sum(1, keepdim=True))
        return -((log_p * positive).sum(1) / positive.sum(1)).mean()

    first, second = masks(z1, z2), masks(z2, z1)
    return (side(z1, *first) + side(z2, *second)) / 2


def sgemm_rate(dims: int, device: str, precision: str = "fp32") -> float:
    """Operations a CPU second of products of two blocks of rows; the median of many."""
    a, b = (torch.randn(1024, dims, device=device) for _ in range(2))
    if precision == "bf16":
        a, b = a.bfloat16(), b.bfloat16()
    clock = time.perf_counter if device == "cuda" else time.process_time
    rates = []
    for _ in range(50):
        started = clock()
        for _ in range(4):
            a @ b.t()
        if device == "cuda":
            torch.cuda.synchronize()
        rates.append(4 * 2 * 1024 * 1024 * dims / (clock() - started))
    return statistics.median(rates[5:])


def within(**settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """InfoNCE in a context of numerics."""
    loss = InfoNCE(TAU)

    def value(z1: Tensor, z2: Tensor) -> Tensor:
        with tiling(**settings):
            return loss(z1, z2)

    return value


def rivals() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    return {
        "gcl tiled": within(implementation="tiled"),
        "gcl bf16": within(implementation="tiled", precision="bf16"),
        "gcl dense": within(implementation="dense"),
        "plain dense": plain,
        "GRACE dense": grace,
        "row blocks": blocked,
        "PyGCL": pygcl,
    }


def every_loss(n: int, dims: int) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Each loss of the package at its defaults, streamed."""
    sizes: dict[str, tuple[Any, ...]] = {
        "AdaptiveContrast": (dims,),
        "ISogCLR": (n,),
        "PairwiseViews": (InfoNCE(TAU),),
        "Sketched": (InfoNCE(TAU),),
        "SwAV": (dims, 64),
    }
    parts = (
        losses.AdaptiveTemperature,
        losses.MetaNodeNegatives,
        losses.PairNetwork,
        losses.SelfTraining,
        losses.LocalGlobalJSD,
    )
    made = {}
    for name in losses.__all__:
        kind = getattr(losses, name)
        if isinstance(kind, type) and issubclass(kind, torch.nn.Module) and kind not in parts:
            made[name] = kind(*sizes.get(name, ()))
    made["InfoNCE, bf16"] = within(precision="bf16")
    made["InfoNCE, 50 hardest"] = InfoNCE(TAU, negatives=losses.HardestNegatives(50))
    made["InfoNCE, 400 random"] = InfoNCE(TAU, negatives=losses.RandomNegatives(400))
    made["InfoNCE, rank_one"] = InfoNCE(TAU, log_weight=losses.rank_one(torch.rand(n)))
    labels = torch.randint(100, (2, n))
    made["InfoNCE, cluster_pairs"] = InfoNCE(TAU, log_weight=losses.cluster_pairs(labels))
    network = losses.PairNetwork(dims, normalize="none")
    made["InfoNCE, PairNetwork"] = InfoNCE(TAU, intra=False, log_weight=network)
    return made


def measure_losses(
    table: dict[str, Callable[[Tensor, Tensor], Tensor]], n: int, dims: int, chosen: Any
) -> list[dict[str, Any]]:
    z1, z2 = (torch.randn(n, dims, device=chosen.device, requires_grad=True) for _ in range(2))
    # The first products of a process load pages of the libraries, about 12 MB that are no loss's.
    few = torch.randn(64, dims, device=chosen.device, requires_grad=True)
    InfoNCE(TAU)(few, few).backward()

    def call(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def step() -> None:
            z1.grad = z2.grad = None
            loss(z1, z2).backward()

        return step

    steps = {name: call(loss) for name, loss in table.items()}
    memory = {name: peak_extra_mb(step, chosen.device) for name, step in steps.items()}
    # The memory run has warmed up: single calls where each takes many seconds.
    warm = 0 if chosen.every_loss else 1
    times = interleaved(steps, chosen.repeats, chosen.device, warm=warm)
    clock = "wall_ms" if chosen.device == "cuda" else "cpu_ms"
    return [
        {"loss": name, "N": n, "D": dims, **times[name], "extra_mb": memory[name], "clock": clock}
        for name in table
    ]


def race(n: int, dims: int, chosen: Any) -> list[dict[str, Any]]:
    """InfoNCE against its rivals; what would not fit is left out."""
    kinds = [
        kind
        for kind in chosen.only
        if ARRAYS.get(kind, 0) * 4e-9 * n * n <= chosen.max_gb
        and not (kind in (*ARRAYS, "row blocks") and n > chosen.max_rival)
    ]
    rate = sgemm_rate(dims, chosen.device)
    rows = measure_losses({kind: rivals()[kind] for kind in kinds}, n, dims, chosen)
    rate = (rate + sgemm_rate(dims, chosen.device)) / 2
    best = {row["loss"]: row[row["clock"]] for row in rows}
    for row in rows:
        time_ms = row[row.pop("clock")]
        row["of_sgemm"] = 16 * n * n * dims / (time_ms / 1e3) / rate
        row["times_tiled"] = time_ms / best["gcl tiled"] if "gcl tiled" in best else float("nan")
        row["sgemm_gflops"] = rate / 1e9
    return rows


def draw(rows: list[dict[str, Any]], path: Path, clock: str) -> None:
    """Time and memory over N, a line a rival, a panel a width."""
    widths = sorted({row["D"] for row in rows})
    figure = Figure(figsize=(4.2 * len(widths), 6.4), layout="constrained")
    axes = figure.subplots(2, len(widths), squeeze=False, sharex=True)
    for column, width in enumerate(widths):
        for row, (key, label) in enumerate(
            ((clock, "time (ms)"), ("extra_mb", "extra memory (MB)"))
        ):
            ax = axes[row][column]
            for name in dict.fromkeys(r["loss"] for r in rows):
                points = [(r["N"], r[key]) for r in rows if r["loss"] == name and r["D"] == width]
                ax.plot(*zip(*points, strict=True), marker="o", label=name) if points else None
            ax.set(xscale="log", yscale="log", ylabel=label)
            ax.grid(alpha=0.3, which="both")
        axes[0][column].set_title(f"InfoNCE, D = {width}")
        axes[1][column].set_xlabel("N")
    handles, labels = axes[0][0].get_legend_handles_labels()
    columns = 4 if len(widths) > 1 else 3
    figure.legend(handles, labels, fontsize="small", loc="outside upper center", ncols=columns)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[2708, 20000, 50000])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 256])
    every = [*rivals()]
    parser.add_argument("--only", nargs="+", default=every, choices=every)
    parser.add_argument("--max-rival", type=int, default=8000, help="above, only ours is run")
    parser.add_argument("--max-gb", type=float, default=12.0, help="memory a rival may take")
    parser.add_argument("--every-loss", action="store_true", help="each loss at its defaults")
    parser.add_argument("--plot", type=Path, default=Path("losses.png"))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    for dims in chosen.dims:
        for n in chosen.nodes:
            if chosen.every_loss:
                rows += measure_losses(every_loss(n, dims), n, dims, chosen)
            else:
                rows += race(n, dims, chosen)
    report(f"Losses, forward + backward, {chosen.threads} thread(s)", rows, chosen.json)
    if not chosen.every_loss:
        draw(rows, chosen.plot, "wall_ms" if chosen.device == "cuda" else "cpu_ms")


if __name__ == "__main__":
    main()
