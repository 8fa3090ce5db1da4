"""What ranks compute in the tests of the half ring."""

from itertools import product

import torch
import torch.distributed as dist
from torch.nn.functional import normalize

from gcl.ops import multi_view_logsumexp, tiling
from gcl.ops.ranks import ranks, whole
from gcl.ops.ring import ring_logsumexp

FORMS = list(product([2, 3], [True, False], [True, False], [0.5, 0.004]))


def errors(lengths, dtype, precision="fp32"):
    """By form: errors of denominators, of their slopes and of the slope of tau."""
    rank, found = dist.get_rank(), []
    for views, intra, exclude, number in FORMS:
        torch.manual_seed(0)
        z = list(normalize(torch.randn(views, sum(lengths), 8, dtype=dtype), dim=2))
        weight = torch.rand(views, sum(lengths), dtype=dtype)
        tau = torch.tensor(number, dtype=dtype, requires_grad=True)
        mine = [v.split(lengths)[rank].clone().requires_grad_() for v in z]
        with tiling(tile=4, implementation="tiled", precision=precision):
            together = ranks(mine[0])
            got = ring_logsumexp(mine, tau, together, intra=intra, exclude=exclude)
            own = [w.split(lengths)[rank] for w in weight]
            parts = [_dot(w, lse) for w, lse in zip(own, got, strict=True)]
            whole(torch.stack(parts).sum(), together).backward()
            whole_tau = tau.detach().clone().requires_grad_()
            full = [v.clone().requires_grad_() for v in z]
            lse = multi_view_logsumexp(full, whole_tau, intra=intra, exclude=exclude)
            torch.stack([_dot(w, one) for w, one in zip(weight, lse, strict=True)]).sum().backward()
        slope = tau.grad.clone()
        dist.all_reduce(slope)
        size, start = dist.get_world_size(), together.start
        largest = max(float(v.grad.abs().max()) for v in full)
        there = slice(start, start + lengths[rank])
        grads = [(a.grad / size - b.grad[there]) / largest for a, b in zip(mine, full, strict=True)]
        values = [a.detach() - b.detach()[there] for a, b in zip(got, lse, strict=True)]
        found.append(
            [
                max((float(v.nan_to_num().abs().max()) for v in values if len(v)), default=0.0),
                max((float(g.abs().max()) for g in grads if len(g)), default=0.0),
                float((slope / size - whole_tau.grad).abs() / whole_tau.grad.abs()),
            ]
        )
    return found


def _dot(weight, lse):
    return (weight * lse.masked_fill(lse == -torch.inf, 0.0)).sum()
