"""Meta-node negatives, forward + backward, from 20,000 to a million nodes, against exact sums.

python benchmarks/speed/metanode.py --repeats 3
python benchmarks/speed/metanode.py --nodes 20000 --repeats 5     # one size

`sums` is one matrix against itself, `mean_i log sum_j exp(<u_i, u_j> / tau)` with the sum over
all j: by clusters and exactly, in tiles. `InfoNCE` is GRACE's loss, two views with `intra`, whose
clusters come from its own k-means. Times are CPU seconds, forms taking turns in one process;
memory is the peak beyond the inputs, gradients included. `moving the centres` is what k-means
adds in one of every ten steps. Slopes are least-squares fits of log time over log N.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from measure import interleaved, options, report
from torch import Tensor

from gcl.experiments.memory import peak_extra_mb
from gcl.losses import InfoNCE
from gcl.losses.negatives.meta_node_negatives import MetaNodeNegatives
from gcl.ops import tiling
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp

SUMS, EXACT_SUMS = "sums, meta-nodes", "sums, exact tiled"
LOSS, EXACT_LOSS = "InfoNCE, meta-nodes", "InfoNCE, exact tiled"
MOVE = "moving the centres"


def views(n: int, chosen: Any) -> tuple[Tensor, Tensor]:
    """Two noisy views of rows in as many groups as there are clusters."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(chosen.clusters, chosen.dims, generator=generator)
    rows = centers[torch.randint(chosen.clusters, (n,), generator=generator)]
    first = rows + torch.randn(n, chosen.dims, generator=generator)
    second = rows + torch.randn(n, chosen.dims, generator=generator)
    return (
        first.to(chosen.device).requires_grad_(),
        second.to(chosen.device).requires_grad_(),
    )


def steps(n: int, chosen: Any) -> dict[str, Callable[[], None]]:
    z1, z2 = views(n, chosen)
    negatives = MetaNodeNegatives(chosen.clusters, every=10**9)
    losses = {LOSS: InfoNCE(chosen.tau, negatives=negatives)}
    with torch.no_grad():
        losses[LOSS](z1, z2)  # the first step makes the centres
    labels = negatives._nearest(z1.detach())

    def sums() -> Tensor:
        return meta_node_logsumexp(z1, z1, chosen.tau, labels, clusters=chosen.clusters).mean()

    def exact() -> Tensor:
        u = unit_rows(z1)
        with tiling(implementation="tiled"):
            return streaming_logsumexp(u, u, tau=chosen.tau).mean()

    def tiled() -> Tensor:
        with tiling(implementation="tiled"):
            return InfoNCE(chosen.tau)(z1, z2)

    made: dict[str, Callable[[], Tensor]] = {SUMS: sums, LOSS: lambda: losses[LOSS](z1, z2)}
    if n <= chosen.max_exact:
        made |= {EXACT_SUMS: exact, EXACT_LOSS: tiled}

    def step(value: Callable[[], Tensor]) -> Callable[[], None]:
        def call() -> None:
            z1.grad = z2.grad = None
            value().backward()

        return call

    calls = {name: step(value) for name, value in made.items()}

    def move() -> None:
        negatives._cluster(z1.detach(), negatives.centers)

    return calls | {MOVE: move}


def slope(sizes: list[int], times: list[float]) -> float:
    """Of log time over log N."""
    x, y = ([math.log(v) for v in values] for values in (sizes, times))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    sizes = [20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]
    parser.add_argument("--nodes", type=int, nargs="+", default=sizes)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--tau", type=float, default=0.4)
    parser.add_argument("--max-exact", type=int, default=20_000, help="exact sums up to this N")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = "wall_ms" if chosen.device == "cuda" else "cpu_ms"
    rows: list[dict[str, Any]] = []
    if len(set(chosen.nodes)) < len(chosen.nodes) or min(chosen.nodes) <= chosen.clusters:
        parser.error("--nodes must be different numbers above --clusters")
    for n in chosen.nodes:
        calls = steps(n, chosen)
        memory = {name: peak_extra_mb(call, chosen.device) for name, call in calls.items()}
        times = interleaved(calls, chosen.repeats, chosen.device, warm=0)  # memory has warmed up
        found = {name: times[name][clock] for name in calls}
        for name in calls:
            rival = {SUMS: EXACT_SUMS, LOSS: EXACT_LOSS}.get(name)
            rows.append(
                {
                    "form": name,
                    "N": n,
                    "K": chosen.clusters,
                    "D": chosen.dims,
                    "seconds": found[name] / 1e3,
                    "extra_mb": memory[name],
                    "exact_over": found[rival] / found[name] if rival in found else math.nan,
                    "clock": clock.partition("_")[0],
                }
            )
        del calls
    for name in (SUMS, LOSS) if len(chosen.nodes) > 1 else ():
        mine = [row for row in rows if row["form"] == name]
        fitted = slope([row["N"] for row in mine], [row["seconds"] for row in mine])
        for row in mine:
            row["slope"] = fitted
    for row in rows:
        row.setdefault("slope", math.nan)
    report(f"Meta-node negatives, {chosen.threads} thread(s)", rows, chosen.json)


if __name__ == "__main__":
    main()
