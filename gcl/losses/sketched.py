"""COSTA's augmentation: random mixtures of rows, drawn in feature space."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.autograd import first_order_only
from gcl.checks import check_choice, check_columns, check_count, check_views
from gcl.contracts import Loss
from gcl.losses.tiles import blocks
from gcl.nn.propagation import Adjacency
from gcl.structure import Structure

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
    check_columns("gaussian_sketch", z, z)
    check_count("gaussian_sketch", k=k)
    seed = int(torch.randint(2**62, ()))  # the global generator decides, once
    with torch.autocast(z.device.type, enabled=False):
        return _GaussianSketch.apply(z.to(torch.promote_types(z.dtype, torch.float32)), k, seed)


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
    check_columns("sign_sketch", z, z)
    check_count("sign_sketch", k=k)
    if not 0 < density <= 1:
        raise ValueError(f"sign_sketch: density must lie in (0, 1], got {density}.")
    c, n = max(1, round(density * k)), len(z)
    mixture = torch.randint(k, (n * c,), device=z.device)
    sign = 1 - 2 * torch.randint(2, (n * c,), device=z.device)
    source = torch.arange(n, device=z.device).repeat_interleave(c)
    pattern = Structure(torch.stack([source, mixture]), n, k)
    values = pattern.to_slots(sign / math.sqrt(c)).to(torch.promote_types(z.dtype, torch.float32))
    return Adjacency(pattern, values) @ z


class Sketched(nn.Module):
    r"""A loss between random mixtures of the rows in place of the rows: COSTA.

        L = loss( head(P z1), head(P' z2) ),   P, P' of shape k x n, k = ratio n, drawn at each call

    P' = P with `shared`; the mixtures then play the parts of nodes, row i of both is the same one.

    Args:
        loss: `(h1, h2) -> scalar`.
        head: between mixtures and loss; none if None.
        ratio: k/n, in (0, 1]; at least two mixtures are drawn.
        sketch: "gaussian", or "sign" with a sparse P.
        density: of the sparse P, in (0, 1].
        shared: one P for both views. False only makes sense where mixtures of one and the same
            matrix are compared.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        ValueError: numbers out of range, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Zhang et al., "COSTA: Covariance-Preserving Feature Augmentation for Graph Contrastive
        Learning", KDD 2022. Their P is stored, dense.

    Example:
        >>> import gcl
        >>> z = torch.randn(10, 4)
        >>> Sketched(gcl.losses.InfoNCE(0.5), ratio=0.5)(z, z).shape
        torch.Size([])
    """

    def __init__(
        self,
        loss: Loss,
        head: nn.Module | None = None,
        *,
        ratio: float = 0.5,
        sketch: Literal["gaussian", "sign"] = "gaussian",
        density: float = 0.01,
        shared: bool = True,
    ):
        super().__init__()
        check_choice("Sketched", "sketch", sketch, ("gaussian", "sign"))
        for name, value in (("ratio", ratio), ("density", density)):
            if not 0 < value <= 1:
                raise ValueError(f"Sketched: {name} must lie in (0, 1], got {value}.")
        self.contrast, self.head = loss, head
        self.ratio, self.sketch, self.density, self.shared = ratio, sketch, density, shared

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("Sketched", z1, z2)
        if self.shared:  # side by side, so that one P is drawn for both
            h1, h2 = self._mix(torch.cat([z1, z2], 1)).tensor_split(2, 1)
        else:
            h1, h2 = self._mix(z1), self._mix(z2)
        if self.head is not None:
            h1, h2 = self.head(h1), self.head(h2)
        return self.contrast(h1, h2)

    def _mix(self, z: Tensor) -> Tensor:
        k = max(2, round(self.ratio * len(z)))
        return (
            gaussian_sketch(z, k) if self.sketch == "gaussian" else sign_sketch(z, k, self.density)
        )

    def extra_repr(self) -> str:
        more = f", density={self.density:g}" if self.sketch == "sign" else ""
        return f"ratio={self.ratio:g}, sketch={self.sketch!r}{more}, shared={self.shared}"
