"""Random mixtures of rows that keep inner products of columns on average."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_columns, check_count, check_real
from gcl.ops.autograd import first_order_only
from gcl.ops.propagation import Adjacency
from gcl.ops.structure import EdgeList, Structure
from gcl.ops.tiles import blocks
from gcl.ops.tracing import outside_graph, traced

# Entries of the random matrix that exist at a time.
ENTRIES = 1 << 20


def gaussian_sketch(z: Float[Tensor, "n d"], k: int) -> Float[Tensor, "k d"]:
    """`P z` with k x n independent entries of P from N(0, 1/k), so that `E[P^T P] = I`.

    P is drawn block by block, and again in the backward pass; it is never stored. Time O(k n d).

    Args:
        z: rows to mix.
        k: number of mixtures, >= 1.

    Shape:
        z `[n, d]` -> `[k, d]`, float32 or wider.

    Raises:
        ValueError, TypeError: k below 1; z is no floating-point matrix.

    Example:
        >>> gaussian_sketch(torch.ones(5, 2), 3).shape
        torch.Size([3, 2])
    """
    return _gaussian(z, k)


@outside_graph
def _gaussian(z: Tensor, k: int) -> Float[Tensor, "k d"]:
    check_columns("gaussian_sketch", z, z)
    check_count("gaussian_sketch", k=k)
    seed = int(torch.randint(2**62, ()))  # the global generator decides, once
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        if traced():
            parts = [part.t() @ z[rows] for rows, part in _parts(len(z), k, seed, z)]
            return sum(parts, z.new_zeros(k, z.shape[1]))
        return _GaussianSketch.apply(z, k, seed)


class _GaussianSketch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, k: int, seed: int) -> Tensor:
        ctx.k, ctx.seed, ctx.n = k, seed, len(z)
        out = z.new_zeros(k, z.shape[1])
        for rows, part in _parts(len(z), k, seed, z):
            out.addmm_(part.t(), z[rows])
        return out

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        out = grad.new_empty(ctx.n, grad.shape[1])
        for rows, part in _parts(ctx.n, ctx.k, ctx.seed, grad):
            out[rows] = part @ grad
        return out, None, None


def _parts(n: int, k: int, seed: int, like: Tensor) -> Any:
    """`(rows, P^T[rows])`, the same for the same seed."""
    generator = torch.Generator(like.device).manual_seed(seed)
    for rows in blocks(n, max(1, ENTRIES // k)):
        shape = rows.stop - rows.start, k
        part = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        yield rows, part / math.sqrt(k)


def sign_sketch(z: Float[Tensor, "n d"], k: int, density: float = 0.01) -> Float[Tensor, "k d"]:
    """`P z` with few entries in P: every row of z enters `c = max(1, density k)` mixtures.

    Which ones and with which sign is drawn at random, each entry is 1/sqrt(c) in size, so that
    `E[P^T P] = I`. Time O(c n d), a sparse product.

    Args:
        z: rows to mix.
        k: number of mixtures, >= 1.
        density: share of the entries of P that are not 0, in (0, 1].

    Shape:
        z `[n, d]` -> `[k, d]`, float32 or wider.

    Raises:
        ValueError, TypeError: numbers out of range; z is no floating-point matrix.

    Example:
        >>> sign_sketch(torch.ones(5, 2), 3).shape
        torch.Size([3, 2])
    """
    return _sign(z, k, density)


@outside_graph
def _sign(z: Tensor, k: int, density: float) -> Float[Tensor, "k d"]:
    check_columns("sign_sketch", z, z)
    check_count("sign_sketch", k=k)
    check_real("sign_sketch", density=density)
    if not 0 < density <= 1:
        raise ValueError(f"sign_sketch: density must lie in (0, 1], got {density}.")
    c, n = max(1, round(density * k)), len(z)
    mixture = torch.randint(k, (n * c,), device=z.device)
    sign = 1 - 2 * torch.randint(2, (n * c,), device=z.device)
    source = torch.arange(n, device=z.device).repeat_interleave(c)
    made = EdgeList if traced() else Structure
    pattern = made(torch.stack([source, mixture]), n, k)
    values = pattern.to_slots(sign / math.sqrt(c)).to(torch.promote_types(z.dtype, torch.float32))
    return Adjacency(pattern, values) @ z
