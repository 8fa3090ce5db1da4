"""What ranks compute in the tests of sums and rows over ranks."""

import time

import torch
import torch.distributed as dist
from torch import nn

from gcl.distributed import (
    RankFailedError,
    alone,
    common_draws,
    meet,
    pairs,
    ranks,
    rows,
    total,
    watching,
    whole,
)
from gcl.nn.global_batch_norm import GlobalBatchNorm, with_global_norms


def sums_and_rows():
    """Values and gradients of everything, with rank + 1 rows a rank."""
    rank, size = dist.get_rank(), dist.get_world_size()
    z = torch.full((rank + 1, 2), float(rank + 1), requires_grad=True)
    there = ranks(z)
    found = {"lengths": there.lengths, "own": (there.start, there.own.stop, there.total)}
    found["total"] = total(z.sum(), there).tolist()
    found["rows"] = rows(z, there)[:, 0].tolist()
    weight = torch.arange(1.0, there.total + 1)
    for key, value in (
        ("gathered", (rows(z, there)[:, 0] * weight).sum()),  # the same on all ranks
        ("parts", whole((rank + 1) * rows(z, there, summed=True)[:, 0] @ weight, there)),
        ("totals", whole((rank + 1) * total(z[:, 0].sum(), there), there)),
    ):
        z.grad = None
        value.backward()
        found[key] = (float(value.detach()), (z.grad[:, 0] / size).tolist())
    index = torch.tensor([[0, rank], [rank, 0]])
    found["pairs"] = pairs(index, there, ranks(index.t())).tolist()
    flags = torch.arange(rank + 1) % 2 == 0
    found["flags"] = rows(flags, there).tolist()
    with alone():
        found["alone"] = ranks(z)
        with alone(False):
            found["again"] = ranks(z).lengths
    with common_draws(there):
        found["common"] = torch.rand(1).item()
    return found


class Told:
    def failed(self):
        return "rank 1 has failed"

    def hear(self):
        self.heard = True


def called_off():
    """The first rank waits at a meeting that the second comes to late, having failed."""
    dist.barrier()
    if dist.get_rank() == 1:
        time.sleep(2)
        meet(torch.device("cpu"), (1,))
        return None
    told = Told()
    try:
        with watching(told):
            meet(torch.device("cpu"), (1,))
    except RankFailedError as error:
        return str(error), told.heard
    return None


def norms(lengths, dtype, momentum):
    """Errors of output, gradients and buffers, and of evaluation."""
    torch.manual_seed(0)
    x = torch.randn(sum(lengths), 5, dtype=dtype) * 3 + 1
    weight = torch.randn(sum(lengths), 5, dtype=dtype)
    rank = dist.get_rank()
    plain = nn.BatchNorm1d(5, momentum=momentum).to(dtype)
    nn.init.normal_(plain.weight)
    held = nn.Sequential(nn.BatchNorm1d(5, momentum=momentum).to(dtype))
    held.load_state_dict({f"0.{key}": value for key, value in plain.state_dict().items()})
    names, parameters = [*held.state_dict()], [*held.parameters()]
    assert with_global_norms(held) == 1
    assert isinstance(held[0], GlobalBatchNorm)
    assert [*held.state_dict()] == names
    assert all(a is b for a, b in zip(held.parameters(), parameters, strict=True))
    mine, full = x.split(lengths)[rank].clone().requires_grad_(), x.clone().requires_grad_()
    for _ in range(2):
        out = held(mine)
        expected = plain(full)
    together = ranks(mine)
    whole((out * weight.split(lengths)[rank]).sum(), together).backward()
    (expected * weight).sum().backward()
    size = dist.get_world_size()
    slope = held[0].weight.grad / size
    dist.all_reduce(slope)
    pairs_ = [
        (out, expected[together.own]),
        (mine.grad / size, full.grad[together.own]),
        (slope, plain.weight.grad),
        (held[0].running_mean, plain.running_mean),
        (held[0].running_var, plain.running_var),
        (held.eval()(mine), plain.eval()(mine)),
    ]
    return [float((a - b).detach().abs().max()) if a.numel() else 0.0 for a, b in pairs_]


def one_row_in_all():
    z = torch.zeros(1 - dist.get_rank() if dist.get_rank() < 2 else 0, 3)
    try:
        GlobalBatchNorm(3)(z)
    except ValueError as error:
        return str(error)
    return None
