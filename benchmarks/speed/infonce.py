"""InfoNCE forward + backward: ours tiled against a plain dense PyTorch form of the same formula.

python benchmarks/speed/infonce.py --threads 2
"""

from __future__ import annotations

import torch
from measure import interleaved, options, peak_extra_mb, report
from torch import Tensor
from torch.nn.functional import normalize

from gcl.losses import InfoNCE


def plain(z1: Tensor, z2: Tensor, tau: float) -> Tensor:
    """What a careful user writes: cosine logits, masked diagonal, logsumexp."""
    u, v = normalize(z1), normalize(z2)
    across, first, second = u @ v.t() / tau, u @ u.t() / tau, v @ v.t() / tau
    itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
    first = first.masked_fill(itself, -torch.inf)
    second = second.masked_fill(itself, -torch.inf)
    positive = across.diagonal()
    forth = torch.cat([across, first], 1).logsumexp(1) - positive
    back = torch.cat([across.t(), second], 1).logsumexp(1) - positive
    return (forth.mean() + back.mean()) / 2


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2708, 8000, 20000])
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--max-dense", type=int, default=8000, help="above, only ours is run")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    tiled = InfoNCE(0.4, implementation="tiled")
    rows = []
    for n in chosen.nodes:
        z1, z2 = (
            torch.randn(n, chosen.dims, device=chosen.device, requires_grad=True) for _ in range(2)
        )
        rivals = {"gcl tiled": lambda z1=z1, z2=z2: _step(tiled, z1, z2)}
        if n <= chosen.max_dense:
            rivals["plain dense"] = lambda z1=z1, z2=z2: _step(
                lambda a, b: plain(a, b, 0.4), z1, z2
            )
        memory = {name: peak_extra_mb(call, chosen.device) for name, call in rivals.items()}
        times = interleaved(rivals, chosen.repeats, chosen.device)
        ours = times["gcl tiled"]
        for name, t in times.items():
            rows.append(
                {
                    "loss": name,
                    "N": n,
                    "D": chosen.dims,
                    **t,
                    "extra_mb": memory[name],
                    "times_ours": t["cpu_ms"] / ours["cpu_ms"],
                    "memory_ours": memory[name] / memory["gcl tiled"],
                }
            )
    report(f"InfoNCE forward + backward, {chosen.threads} thread(s)", rows, chosen.json)


def _step(loss, z1: Tensor, z2: Tensor) -> None:
    z1.grad = z2.grad = None
    loss(z1, z2).backward()


if __name__ == "__main__":
    main()
