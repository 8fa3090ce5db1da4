"""Logits as plain loops over Python floats, and what operations allocate."""

import math

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gcl.ops import tiling

F64 = torch.float64


def rows(n, d, dtype=F64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=F64).to(dtype)


def logits_by_loop(q, k, scale, bias=None, exclude=False, weight=None):
    """Lists of `(logit, similarity)` of every row, by plain loops over Python floats."""
    out = []
    for i in range(len(q)):
        line = []
        for j in range(len(k)):
            left_out = j == exclude[i] if isinstance(exclude, list) else exclude and i == j
            if left_out:
                continue
            s = math.fsum(float(a) * float(b) for a, b in zip(q[i], k[j], strict=True))
            at = float(scale[i]) if scale.dim() else float(scale)
            extra = (0 if bias is None else float(bias[i])) + (
                0 if weight is None else weight(i, j)
            )
            line.append((at * s + extra, s))
        out.append(line)
    return out


def lse(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(x - top) for x in values))


IMPLEMENTATIONS = [{"implementation": "dense"}, {"implementation": "tiled", "tile": 4}]


def within(how, run, *args, **options):
    with tiling(**how):
        return run(*args, **options)


class Watch(TorchDispatchMode):
    """The bytes of every tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor):
                self.largest = max(self.largest, x.untyped_storage().nbytes())
        return out
