"""Denominators of two-view contrast, both directions from the same tiles.

Where `streaming_logsumexp` would visit a pair of rows up to four times (two directions, two
triangles of each view's own square), here every pair is multiplied once: 16 N^2 D operations
forward and backward in place of 24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.autograd import first_order_only
from gcl.losses.checks import check_views
from gcl.losses.streaming import merge, streaming_logsumexp
from gcl.losses.tiles import (
    LN2,
    LOG2E,
    SAFE_LOGIT,
    LogWeight,
    Precision,
    Products,
    RuleGradient,
    add_rule,
    blocks,
    default_tile,
)


def two_view_logsumexp(
    u: Float[Tensor, "n d"],
    v: Float[Tensor, "n d"],
    tau: Tensor | float,
    *,
    intra: bool = True,
    own: bool = True,
    log_weight: LogWeight | None = None,
    implementation: Literal["auto", "dense", "tiled"] = "tiled",
    tile: int | None = None,
    precision: Precision = "fp32",
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Denominators of two-view contrast, for both directions at once.

    With logits `l(a, b) = <a, b> / tau`, row i of the first result is

        log( sum_j W_ij exp l(u_i, v_j) + sum_{j != i} W_ij exp l(u_i, u_j) )

    and the second result is the same with u and v exchanged.

    Memory is O(N D): no N x N array exists at any time. There is no second derivative of the
    tiled form; asking for one (`create_graph=True`) raises RuntimeError.

    Args:
        u: unit rows, first view. Longer rows are fine.
        v: unit rows, second view, same shape.
        tau: temperature, a positive number, a scalar tensor or one a node `[n]`; tensors get a
            gradient.
        intra: also sum over the other rows of the same view.
        own: the first sum includes j = i, the node's own pair; False leaves it out.
        log_weight: the rule for log W_ij over pairs of nodes, the same for both sums.
        implementation: "tiled", "dense" or "auto", see `streaming_logsumexp`.
        tile: rows of a tile; chosen from the device if None.
        precision: "fp32" or "bf16", see `streaming_logsumexp`.

    Temperatures per node and rules that are not symmetric cost about twice the time.

    Shape:
        u, v `[n, d]` -> two tensors `[n]`, float32 or wider; -inf where there is no candidate.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.eye(3, 4)
        >>> lse, _ = two_view_logsumexp(z, z, 0.5)
        >>> torch.allclose(lse, torch.log(torch.tensor(2.0).exp() + 4))
        True
    """
    check_views("two_view_logsumexp", u, v)
    forth, back = multi_view_logsumexp(
        (u, v), tau, intra=intra, own=own, log_weight=log_weight, implementation=implementation,
        tile=tile, precision=precision,
    )  # fmt: skip
    return forth, back


def multi_view_logsumexp(
    views: Sequence[Tensor],
    tau: Tensor | float,
    *,
    intra: bool = True,
    own: bool = False,
    log_weight: LogWeight | None = None,
    implementation: Literal["auto", "dense", "tiled"] = "tiled",
    tile: int | None = None,
    precision: Precision = "fp32",
) -> list[Tensor]:
    """As `two_view_logsumexp`, each view against all others; by default without the own node.

    Args:
        views: M >= 2 matrices whose rows i are the same node.
        tau: temperature.
        intra: also sum over the other rows of the same view.
        own: include the other views of the node itself.
        log_weight: the rule for log W_ij over pairs of nodes, the same between all views.
        implementation: "tiled", "dense" or "auto".
        tile: rows of a tile.
        precision: "fp32" or "bf16".

    Shape:
        M times `[n, d]` -> M times `[n]`.

    Example:
        >>> z = torch.eye(3, 4)
        >>> [lse.exp() for lse in multi_view_logsumexp([z, z, z], 0.5)][0]  # 3 views, 2 others
        tensor([6., 6., 6.])
    """
    first = views[0]
    dtype, n = torch.promote_types(first.dtype, torch.float32), len(first)
    tau = torch.as_tensor(tau, dtype=dtype, device=first.device)
    symmetric = log_weight is None or log_weight.symmetric
    if implementation != "tiled" or tau.dim() > 0 or not symmetric:

        def one_way(q: Tensor, k: Tensor, exclude: bool) -> Tensor:
            return streaming_logsumexp(
                q, k, tau=tau, exclude=exclude, log_weight=log_weight,
                implementation=implementation, tile=tile, precision=precision,
            )  # fmt: skip

        return combine(views, one_way, intra=intra, own=own)
    width, tensors = (1, ()) if log_weight is None else (log_weight.width, log_weight.tensors)
    side = tile or default_tile(first, width, precision)
    tiles = _tiles(n, len(views), intra, own, side)
    with torch.autocast(first.device.type, enabled=False):
        z = torch.cat(list(views)).to(dtype)
        lse = _PairLogSumExp.apply(z, 1 / tau, tiles, log_weight, precision, *tensors)
    return list(lse.split(n)) if n else [lse] * len(views)


def combine(
    views: Sequence[Tensor],
    one_way: Callable[[Tensor, Tensor, bool], Tensor],
    *,
    intra: bool,
    own: bool,
    anchors: int | None = None,
) -> list[Tensor]:
    """Denominators of every view from those of pairs of views.

    Args:
        views: M matrices.
        one_way: `(q, k, exclude) -> [n]`, the log-sum-exp of the rows of q against those of k,
            without the pairs (i, i) if `exclude`.
        intra: include each view against itself, without (i, i).
        own: include (i, i) between different views.
        anchors: only of this many views, the first ones.
    """
    totals = []
    for a, q in enumerate(views[:anchors]):
        parts = [one_way(q, k, a == b or not own) for b, k in enumerate(views) if intra or a != b]
        totals.append(reduce(log_add, parts))
    return totals


def log_add(a: Tensor, b: Tensor) -> Tensor:
    """`log(exp a + exp b)` with a finite gradient also where both are -inf."""
    top = torch.maximum(a, b).detach()
    top = torch.where(top.isfinite(), top, 0.0)
    total = (a - top).exp() + (b - top).exp()
    some = total > 0
    return torch.where(some, top + torch.where(some, total, 1.0).log(), -torch.inf)


class _Tile(NamedTuple):
    rows: slice  # of the stacked views
    cols: slice
    i: slice  # the same as nodes
    j: slice
    without_diagonal: bool

    @property
    def turned(self) -> bool:
        """Whether the tile stands for its transpose too."""
        return self.rows != self.cols


def _tiles(n: int, num_views: int, intra: bool, own: bool, tile: int) -> list[_Tile]:
    """Tiles that cover every unordered pair of stacked rows once."""
    nodes = blocks(n, tile)
    views = [[slice(x.start + v * n, x.stop + v * n) for x in nodes] for v in range(num_views)]
    tiles = []
    for a, first in enumerate(views):
        for b, second in enumerate(views[a:], start=a):
            if a == b and not intra:
                continue
            for x, i in enumerate(nodes):
                # Within one view, the upper triangle: its mirror image is the same.
                for y in range(x if a == b else 0, len(nodes)):
                    bare = x == y and (a == b or not own)
                    tiles.append(_Tile(first[x], second[y], i, nodes[y], bare))
    return tiles


class _PairLogSumExp(torch.autograd.Function):
    """`lse_i = log sum_j W_ij exp(scale <z_i, z_j>)` over the pairs {i, j} inside the tiles."""

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        scale: Tensor,
        tiles: list[_Tile],
        rule: LogWeight | None,
        precision: Precision,
        *tensors: Tensor,
    ) -> Tensor:
        # Bounded logits need no running maximum: their powers stay in range.
        slack = 0.0 if rule is None else rule.bound
        largest = z.square().sum(1).max() * scale if len(z) else scale * 0
        bounded = slack < SAFE_LOGIT and bool(largest <= SAFE_LOGIT - slack)
        products = Products(precision, z.device)
        left, right = products.factor(z * (scale * LOG2E)), products.factor(z)
        total = z.new_full((len(z),), 0.0 if bounded else -torch.inf)
        scratch = _scratch(z, tiles)
        with products.scope():
            for t in tiles:
                logits = products.logits(left[t.rows], right[t.cols], _view(scratch, t))
                if rule is not None:
                    add_rule(logits, rule(t.i, t.j, *tensors), LOG2E)
                if t.without_diagonal:
                    logits.fill_diagonal_(-torch.inf)
                if bounded:
                    powers = logits.exp2_()
                    total[t.rows] += powers.sum(1)
                    if t.turned:
                        total[t.cols] += powers.sum(0)
                else:
                    if t.turned:
                        total[t.cols] = merge(total[t.cols], logits.clone(), 0)
                    total[t.rows] = merge(total[t.rows], logits, 1)
        lse = (total.log2() if bounded else total) * LN2
        ctx.save_for_backward(z, scale, lse, *tensors)
        ctx.tiles, ctx.rule, ctx.precision, ctx.bounded = tiles, rule, precision, bounded
        return lse

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, scale, lse, *tensors = ctx.saved_tensors
        rule = RuleGradient(ctx.rule, tuple(tensors), list(ctx.needs_input_grad[5:]))
        products = Products(ctx.precision, z.device)
        left, right = products.factor(z * (scale * LOG2E)), products.factor(z)
        # A row without candidates has no slope anywhere.
        grad = torch.where(lse.isfinite(), grad, 0.0)
        shift = torch.where(lse.isfinite(), lse, 0.0) * LOG2E
        share = grad * torch.exp2(-shift)  # used where logits are bounded
        grad_z = torch.zeros_like(z)
        scratch, other = _scratch(z, ctx.tiles), _scratch(z, ctx.tiles)
        with products.scope():
            for t in ctx.tiles:
                # d loss / d logit of a pair, from both of its anchors together:
                # grad_i exp(l - lse_i) + grad_j exp(l - lse_j)
                pair = products.logits(left[t.rows], right[t.cols], _view(scratch, t))
                weight = rule.tile(t.i, t.j)
                add_rule(pair, weight, LOG2E)
                if t.without_diagonal:
                    pair.fill_diagonal_(-torch.inf)
                both = _view(other, t)
                if ctx.bounded:
                    torch.add(share[t.rows, None], share[None, t.cols], out=both)
                    pair.exp2_().mul_(both)
                else:
                    torch.sub(pair, shift[None, t.cols], out=both).exp2_().mul_(grad[None, t.cols])
                    pair.sub_(shift[t.rows, None]).exp2_().mul_(grad[t.rows, None]).add_(both)
                if rule.needed:
                    # The sums over a diagonal tile count both orders of a pair.
                    rule.add(weight, pair if t.turned else 0.5 * pair)
                pair = products.weights(pair)
                products.add(grad_z[t.rows], pair, right[t.cols])
                if t.turned:
                    products.add(grad_z[t.cols], pair.t(), right[t.rows])
        # <z, grad_z> counts every pair at both of its ends.
        grad_scale = (z * grad_z).sum() / 2 if ctx.needs_input_grad[1] else None
        grad_z *= scale
        return grad_z, grad_scale, None, None, None, *rule.grads


def _scratch(z: Tensor, tiles: list[_Tile]) -> Tensor:
    sizes = [(t.i.stop - t.i.start) * (t.j.stop - t.j.start) for t in tiles]
    return z.new_empty(max(sizes, default=0))


def _view(scratch: Tensor, t: _Tile) -> Tensor:
    shape = t.i.stop - t.i.start, t.j.stop - t.j.start
    return scratch[: shape[0] * shape[1]].view(shape)
