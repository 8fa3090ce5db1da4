"""Log-sum-exp over all pairs of two views in O(N D) memory: the primitive of the softmax losses.

Tiles of the similarity matrix are computed, used and forgotten; the backward pass computes them
again. Idea: Cheng et al., "Breaking the Memory Barrier: Near Infinite Batch Size Scaling for
Contrastive Loss", 2024 (one-sided). Here every tile also serves both directions, and the
intra-view part is computed once for both of its triangles.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcl.autograd import first_order_only

# exp(l) with |l| <= 60 neither overflows nor vanishes in float32, even summed over 1e9 columns.
_SAFE_LOGIT = 60.0


def two_view_logsumexp(
    u: Tensor, v: Tensor, tau: Tensor | float, *, intra: bool = True, tile: int | None = None
) -> tuple[Tensor, Tensor]:
    r"""Denominators of two-view contrast, for both directions at once.

    With logits `l(a, b) = <a, b> / tau`, row i of the first result is
    `log( sum_j exp l(u_i, v_j) + sum_{j != i} exp l(u_i, u_j) )`, the second result is the same
    with u and v exchanged; the second sum is there only if `intra`.

    Memory is O(N D): no N x N array exists at any time. There is no second derivative; asking for
    one (`create_graph=True`) raises RuntimeError.

    Args:
        u: unit rows, first view. Longer rows are fine as long as `|l|` stays moderate in float32.
        v: unit rows, second view, same shape.
        tau: temperature, a positive number or a scalar tensor, which then gets a gradient.
        intra: also sum over the other rows of the same view.
        tile: rows of a tile; chosen from the device if None.

    Shape:
        u, v `[n, d]` -> two tensors `[n]`, float32 or wider.

    Example:
        >>> z = torch.eye(3, 4)
        >>> lse, _ = two_view_logsumexp(z, z, 0.5)
        >>> torch.allclose(lse, torch.log(torch.tensor(2.0).exp() + 4))
        True
    """
    dtype = torch.promote_types(u.dtype, torch.float32)
    tau = torch.as_tensor(tau, dtype=dtype, device=u.device)
    tile = default_tile(u) if tile is None else tile
    with torch.autocast(u.device.type, enabled=False):
        z = torch.cat([u, v]).to(dtype)
        lse = _PairLogSumExp.apply(z, tau, _tiles(len(u), len(v), intra, tile))
    return lse[: len(u)], lse[len(u) :]


def default_tile(z: Tensor) -> int:
    """Rows of a tile: two float32 tiles stay in the second-level cache of a CPU core."""
    return 512 if z.device.type == "cpu" else 8192


def _tiles(n: int, m: int, intra: bool, tile: int) -> list[tuple[slice, slice]]:
    """Tiles that cover every unordered pair of the n + m stacked rows once.

    With `intra`, the upper triangle of the whole square; without, rows of u against rows of v.
    """
    if intra:
        blocks = _blocks(0, n + m, tile)
        return [(rows, cols) for i, rows in enumerate(blocks) for cols in blocks[i:]]
    return [(rows, cols) for rows in _blocks(0, n, tile) for cols in _blocks(n, n + m, tile)]


def _blocks(start: int, stop: int, tile: int) -> list[slice]:
    return [slice(i, min(i + tile, stop)) for i in range(start, stop, tile)]


class _PairLogSumExp(torch.autograd.Function):
    """`lse_i = log sum_j exp(<z_i, z_j> / tau)` over the pairs {i, j} inside the given tiles."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, tau: Tensor, tiles: list[tuple[slice, slice]]) -> Tensor:
        # Unit rows over a moderate tau need no running maximum: exp(l) itself stays in range.
        bounded = not len(z) or bool(z.square().sum(1).max() / tau <= _SAFE_LOGIT)
        q, total = z / tau, z.new_full((len(z),), 0.0 if bounded else -torch.inf)
        scratch = _scratch(z, tiles)
        for rows, cols in tiles:
            logits = _logits(q[rows], z[cols], scratch)
            if rows == cols:
                logits.fill_diagonal_(-torch.inf)
            if bounded:
                weights = logits.exp_()
                total[rows] += weights.sum(1)
                if rows != cols:
                    total[cols] += weights.sum(0)
            else:
                total[rows] = torch.logaddexp(total[rows], logits.logsumexp(1))
                if rows != cols:
                    total[cols] = torch.logaddexp(total[cols], logits.logsumexp(0))
        lse = total.log() if bounded else total
        ctx.save_for_backward(z, tau, lse)
        ctx.tiles, ctx.bounded = tiles, bounded
        return lse

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, tau, lse = ctx.saved_tensors
        q, grad_z = z / tau, torch.zeros_like(z)
        share = grad * torch.exp(-lse)  # used where logits are bounded
        scratch, other = _scratch(z, ctx.tiles), _scratch(z, ctx.tiles)
        for rows, cols in ctx.tiles:
            # d loss / d logit of a pair, from both of its anchors together:
            # grad_i exp(l - lse_i) + grad_j exp(l - lse_j)
            pair = _logits(q[rows], z[cols], scratch)
            both = other[: pair.numel()].view_as(pair)
            if rows == cols:
                pair.fill_diagonal_(-torch.inf)
            if ctx.bounded:
                torch.add(share[rows, None], share[None, cols], out=both)
                pair.exp_().mul_(both)
            else:
                torch.sub(pair, lse[None, cols], out=both).exp_().mul_(grad[None, cols])
                pair.sub_(lse[rows, None]).exp_().mul_(grad[rows, None]).add_(both)
            grad_z[rows].addmm_(pair, z[cols])
            if rows != cols:
                grad_z[cols].addmm_(pair.t(), z[rows])
        # <z, grad_z> counts every pair at both of its ends.
        grad_tau = -(z * grad_z).sum() / (2 * tau * tau) if ctx.needs_input_grad[1] else None
        return grad_z / tau, grad_tau, None


def _scratch(z: Tensor, tiles: list[tuple[slice, slice]]) -> Tensor:
    sizes = [(r.stop - r.start) * (c.stop - c.start) for r, c in tiles]
    return z.new_empty(max(sizes, default=0))


def _logits(q: Tensor, k: Tensor, scratch: Tensor) -> Tensor:
    out = scratch[: len(q) * len(k)].view(len(q), len(k))
    return torch.mm(q, k.t(), out=out)
