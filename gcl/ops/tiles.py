"""Tiles of a similarity matrix: how they are cut, multiplied, weighed, and passed gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from gcl.ops.autograd import first_order_only

Precision: TypeAlias = Literal["fp32", "bf16"]

# exp(l) with |l| <= 60 neither overflows nor vanishes in float32, even summed over 1e9 columns.
SAFE_LOGIT = 60.0
# Powers of two cost a third of powers of e on CPUs without a vendor's vector library.
LOG2E = math.log2(math.e)
LN2 = math.log(2.0)


class Products:
    """Products of rows `[n, d]` by tiles, in one of two precisions.

    `fp32` multiplies in the dtype of the rows. `bf16` rounds the factors to bfloat16: twice as
    fast or more on CPUs with bfloat16 units and on GPUs. Where the hardware allows it (AMX, CUDA)
    sums leave in float32; other CPUs round each product of two tiles once more.
    """

    def __init__(self, precision: Precision, device: torch.device):
        self.low = precision == "bf16"
        self.on_cuda = device.type == "cuda"
        # oneDNN rounds float32 factors itself where the CPU has matrix units
        self.scoped = self.low and device.type == "cpu" and _has_amx()
        self.cast = self.low and not self.scoped

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Lets oneDNN multiply float32 in bfloat16 inside, and puts the setting back."""
        if not self.scoped:
            yield
            return
        backend: Any = torch.backends.mkldnn
        setting = backend.matmul
        before = setting.fp32_precision
        setting.fp32_precision = "bf16"
        try:
            yield
        finally:
            setting.fp32_precision = before

    def factor(self, z: Tensor) -> Tensor:
        """Rows as they enter products.

        Raises:
            ValueError: float64 rows, of which nothing would be left in bfloat16.
        """
        if self.low and z.dtype == torch.float64:
            raise ValueError(
                "precision='bf16' multiplies in bfloat16 and takes rows of float32 or less, got "
                "float64; set precision='fp32', or give z.float()."
            )
        return z.bfloat16() if self.cast else z

    def logits(self, q: Tensor, k: Tensor, out: Tensor, factor: float = 1.0) -> Tensor:
        """`factor * q k^T` of two factors, written to `out`; cast ones take no factor."""
        if not self.cast:
            return out.addmm_(q, k.t(), beta=0, alpha=factor)
        if self.on_cuda:
            return out.copy_(torch.mm(q, k.t(), out_dtype=out.dtype))
        return out.copy_(torch.mm(q, k.t()))

    def add(self, total: Tensor, weights: Tensor, factor: Tensor) -> None:
        """`total += weights @ factor`."""
        if not self.cast:
            total.addmm_(weights, factor)
        elif self.on_cuda:
            total += torch.mm(weights.to(factor.dtype), factor, out_dtype=total.dtype)
        else:
            total += torch.mm(weights.to(factor.dtype), factor)

    def product(self, q: Tensor, k: Tensor) -> Tensor:
        """`q k^T` inside a weight rule, where autograd follows it."""
        return _LowProduct.apply(q, k, self) if self.cast else q @ k.t()

    def weights(self, slope: Tensor) -> Tensor:
        """A tile as it enters `add`; cast once for its two uses."""
        return slope.bfloat16() if self.cast else slope


class _LowProduct(torch.autograd.Function):
    """`q k^T` in bfloat16, as in `Products.logits`: its result is not rounded where that counts."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, products: Products) -> Tensor:
        left, right = products.factor(q), products.factor(k)
        ctx.save_for_backward(left, right)
        ctx.products = products
        return products.logits(left, right, q.new_empty(len(q), len(k)))

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right = ctx.saved_tensors
        slope, grads = ctx.products.weights(grad), []
        for weights, factor in ((slope, right), (slope.t(), left)):
            total = grad.new_zeros(len(weights), factor.shape[1])
            ctx.products.add(total, weights, factor)
            grads.append(total)
        return *grads, None


def blocks(length: int, tile: int, start: int = 0) -> list[slice]:
    """Ranges of nearly equal length, at most `tile`, that cover `length` positions."""
    count = -(-length // tile)
    edges = [start + i * length // max(count, 1) for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def default_tile(z: Tensor, width: int = 1, precision: Precision = "fp32") -> int:
    """Rows of a tile: two float32 tiles stay in the outer caches of a CPU core.

    With `width` numbers a pair inside a weight rule, tiles have fewer pairs; products in bfloat16
    need longer ones to pay.
    """
    side = 8192 if z.device.type != "cpu" else 512 if precision == "fp32" else 768
    return max(16, int(side / math.sqrt(max(1, width))))


def exclude_from(tile: Tensor, rows: slice, cols: slice, exclude: bool | Tensor) -> Tensor:
    """Set left-out pairs of a tile to -inf: (i, i), or (i, exclude[i])."""
    if isinstance(exclude, Tensor):
        position = exclude[rows]
        inside = ((position >= cols.start) & (position < cols.stop))[:, None]
        # What is outside writes back what is there, which asks the device for no number.
        at = (position - cols.start).clamp(0, max(tile.shape[1] - 1, 0))[:, None]
        if tile.numel():
            tile.scatter_(1, at, tile.gather(1, at).masked_fill(inside, -torch.inf))
    elif exclude:
        first, last = max(rows.start, cols.start), min(rows.stop, cols.stop)
        if first < last:
            inner = tile[first - rows.start : last - rows.start]
            inner[:, first - cols.start : last - cols.start].fill_diagonal_(-torch.inf)
    return tile


def _has_amx() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
