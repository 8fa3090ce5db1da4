"""Denominators of two-view contrast, both directions from the same tiles.

Where `streaming_logsumexp` would visit a pair of rows up to four times (two directions, two
triangles of each view's own square), here every pair is multiplied once: 16 N^2 D operations
forward and backward in place of 24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_views
from gcl.ops.autograd import first_order_only
from gcl.ops.log_weight import LogWeight, RuleGradient, add_rule, check_rule
from gcl.ops.reductions import merge
from gcl.ops.similarity import in_one_type
from gcl.ops.stream_rows import as_tau
from gcl.ops.streaming import logsumexp_rows
from gcl.ops.tiles import LN2, LOG2E, SAFE_LOGIT, Products, blocks, default_tile
from gcl.ops.tiling import Tiling, current_tiling
from gcl.ops.tracing import outside_graph, traced

View = TypeVar("View")


def two_view_logsumexp(
    u: Float[Tensor, "n d"],
    v: Float[Tensor, "n d"],
    tau: Tensor | float,
    *,
    intra: bool = True,
    exclude: bool = False,
    log_weight: LogWeight | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Denominators of two-view contrast, for both directions at once.

    With logits `l(a, b) = <a, b> / tau`, row i of the first result is

        log( sum_j W_ij exp l(u_i, v_j) + sum_{j != i} W_ij exp l(u_i, u_j) )

    and the second result is the same with u and v exchanged.

    Memory is O(N D): no N x N array exists at any time. There is no second derivative of the
    tiled form; asking for one (`create_graph=True`) raises RuntimeError. `gcl.ops.tiling` says how
    it is computed; "auto" streams both directions at once for more than 256 rows.

    Args:
        u: unit rows, first view. Longer rows are fine.
        v: unit rows, second view, same shape.
        tau: temperature, a positive number, a scalar tensor or one a node `[n]`; tensors get a
            gradient.
        intra: also sum over the other rows of the same view.
        exclude: leave j = i, the node's own pair, out of the first sum.
        log_weight: the rule for log W_ij over pairs of nodes, the same for both sums.

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
    forth, back = multi_view_logsumexp(
        (u, v), tau, intra=intra, exclude=exclude, log_weight=log_weight
    )
    return forth, back


def multi_view_logsumexp(
    views: Sequence[Tensor],
    tau: Tensor | float,
    *,
    intra: bool = True,
    exclude: bool = True,
    log_weight: LogWeight | None = None,
) -> list[Tensor]:
    """As `two_view_logsumexp`, each view against all others; by default without the own node.

    Args:
        views: M >= 2 matrices whose rows i are the same node.
        tau: temperature.
        intra: also sum over the other rows of the same view.
        exclude: leave out the other views of the node itself.
        log_weight: the rule for log W_ij over pairs of nodes, the same between all views.

    Shape:
        M times `[n, d]` -> M times `[n]`.

    Example:
        >>> z = torch.eye(3, 4)
        >>> [lse.exp() for lse in multi_view_logsumexp([z, z, z], 0.5)][0]  # 3 views, 2 others
        tensor([6., 6., 6.])
    """
    return _between_views(views, tau, intra, exclude, log_weight)


@outside_graph
def _between_views(
    views: Sequence[Tensor],
    tau: Tensor | float,
    intra: bool,
    exclude: bool,
    log_weight: LogWeight | None,
) -> list[Tensor]:
    if len(views) < 2:
        raise ValueError(f"multi_view_logsumexp: expected at least 2 views, got {len(views)}.")
    first = views[0]
    for view in views[1:]:
        check_views("multi_view_logsumexp", first, view)
    check_rule(log_weight, len(first), len(first))
    views, n = in_one_type(*views), len(first)
    first = views[0]
    tau = as_tau(first, tau)
    settings = current_tiling()
    both_ways = not traced() and (
        settings.implementation == "tiled" or (settings.implementation == "auto" and n > DENSE_ROWS)
    )
    symmetric = log_weight is None or log_weight.symmetric
    if not both_ways or tau.dim() > 0 or not symmetric:

        def one_way(q: Tensor, k: Tensor, exclude: bool) -> Tensor:
            return logsumexp_rows(q, k, tau, exclude, log_weight)

        return combine(views, one_way, intra=intra, exclude=exclude)
    plan = _Plan(first, len(views), intra, exclude, log_weight, settings)
    tensors = () if log_weight is None else log_weight.tensors
    with torch.autocast(first.device.type, enabled=False):
        rows = [view.contiguous() for view in views]
        lse = _PairLogSumExp.apply(1 / tau, plan, *rows, *tensors)
    return list(lse.split(n)) if n else [lse] * len(views)


def combine(
    views: Sequence[View],
    one_way: Callable[[View, View, bool], Tensor],
    *,
    intra: bool,
    exclude: bool,
    anchors: int | None = None,
) -> list[Tensor]:
    """Denominators of every view from those of pairs of views.

    Args:
        views: M matrices, or what stands for them.
        one_way: `(q, k, exclude) -> [n]`, the log-sum-exp of the rows of q against those of k,
            without the pairs (i, i) if `exclude`.
        intra: include each view against itself, without (i, i).
        exclude: leave out (i, i) between different views too.
        anchors: only of this many views, the first ones.
    """
    totals = []
    for a, q in enumerate(views[:anchors]):
        parts = [one_way(q, k, a == b or exclude) for b, k in enumerate(views) if intra or a != b]
        totals.append(reduce(log_add, parts))
    return totals


def log_add(a: Tensor, b: Tensor) -> Tensor:
    """`log(exp a + exp b)` with a finite gradient also where both are -inf."""
    nothing = (a == -torch.inf) & (b == -torch.inf)
    total = torch.logaddexp(a.masked_fill(nothing, 0.0), b.masked_fill(nothing, 0.0))
    return total.masked_fill(nothing, -torch.inf)


# As many rows as `streaming_logsumexp` takes in its dense form; with fewer, fewer calls count more
# than half of the products.
DENSE_ROWS = 256

# Powers kept from the forward pass, which the backward pass need not compute again: a constant that
# spares half of the second computation at a few thousand nodes.
KEPT_BYTES = 32 << 20
_SHARERS: ContextVar[int] = ContextVar("sharers of the kept powers", default=1)


@contextmanager
def sharing_kept_powers(sums: int) -> Iterator[None]:
    """Inside, a streamed sum keeps its part of `KEPT_BYTES` only, one of so many.

    For losses of several streamed sums, which all wait for one backward pass. Contexts multiply.
    """
    token = _SHARERS.set(_SHARERS.get() * max(1, sums))
    try:
        yield
    finally:
        _SHARERS.reset(token)


class _Tile(NamedTuple):
    rows: int  # which block of the stacked views
    cols: int
    i: slice  # the same as nodes
    j: slice
    without_diagonal: bool

    @property
    def turned(self) -> bool:
        """Whether the tile stands for its transpose too."""
        return self.rows != self.cols


def _tiles(n: int, num_views: int, intra: bool, exclude: bool, tile: int) -> list[_Tile]:
    """Tiles that cover every unordered pair of stacked rows once."""
    nodes = blocks(n, tile)
    tiles = []
    for a in range(num_views):
        for b in range(a if intra else a + 1, num_views):
            for x, i in enumerate(nodes):
                # Within one view, the upper triangle: its mirror image is the same.
                for y in range(x if a == b else 0, len(nodes)):
                    bare = x == y and (a == b or exclude)
                    rows, cols = a * len(nodes) + x, b * len(nodes) + y
                    tiles.append(_Tile(rows, cols, i, nodes[y], bare))
    return tiles


class _PairLogSumExp(torch.autograd.Function):
    """`lse_i = log sum_j W_ij exp(scale <z_i, z_j>)` over the pairs {i, j} inside the tiles."""

    @staticmethod
    def forward(
        ctx: Any,
        scale: Tensor,
        plan: _Plan,
        *inputs: Tensor,
    ) -> Tensor:
        rule = plan.rule
        views, tensors = inputs[: plan.num_views], inputs[plan.num_views :]
        # Bounded logits need no running maximum: their powers stay in range.
        slack = 0.0 if rule is None else rule.bound
        far = [z.square().sum(1).max() * scale > SAFE_LOGIT - slack for z in views if len(z)]
        # One question to the device in place of three.
        *large, unit = torch.stack([*(f.to(scale) for f in far), scale * LOG2E]).tolist()
        bounded = slack < SAFE_LOGIT and not any(large)
        products = Products(plan.precision, views[0].device)
        left, right, factor = plan.factors(products, views, scale, unit)
        total = scale.new_full((plan.length,), 0.0 if bounded else -torch.inf)
        totals = total.split(plan.lengths)
        scratch, kept = plan.scratch(views[0]), list[Tensor]()
        trained = bounded and any(ctx.needs_input_grad)
        room = KEPT_BYTES // _SHARERS.get() // scale.element_size() if trained else 0
        with products.scope():
            for t in plan.tiles:
                out = plan.view(scratch, t)
                if room >= out.numel():
                    room -= out.numel()
                    out = torch.empty_like(out)
                    kept.append(out)
                else:
                    room = 0  # the kept tiles are the first ones
                logits = products.logits(left[t.rows], right[t.cols], out, factor)
                if rule is not None:
                    add_rule(logits, rule(t.i, t.j, *tensors), LOG2E)
                if t.without_diagonal:
                    logits.fill_diagonal_(-torch.inf)
                if bounded:
                    powers = logits.exp2_()
                    totals[t.rows].add_(powers.sum(1))
                    if t.turned:
                        totals[t.cols].add_(powers.sum(0))
                else:
                    if t.turned:
                        totals[t.cols].copy_(merge(totals[t.cols], logits.clone(), 0))
                    totals[t.rows].copy_(merge(totals[t.rows], logits, 1))
        lse = total.log2() if bounded else total
        # The kept tiles among them, so that they go as soon as the backward pass is over.
        ctx.save_for_backward(scale, lse, *views, *tensors, *kept)
        ctx.plan, ctx.bounded, ctx.unit = plan, bounded, unit
        ctx.num_tensors = len(tensors)
        return lse * LN2

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan = ctx.plan
        scale, lse, *saved = ctx.saved_tensors
        views, saved = saved[: plan.num_views], saved[plan.num_views :]
        tensors, powers = saved[: ctx.num_tensors], saved[ctx.num_tensors :]
        needed = list(ctx.needs_input_grad[2 + plan.num_views :])
        rule = RuleGradient(plan.rule, tuple(tensors), needed)
        products = Products(plan.precision, lse.device)
        left, right, factor = plan.factors(products, views, scale, ctx.unit)
        # A row without candidates has no slope anywhere.
        nobody = lse == -torch.inf
        grad, shift = grad.masked_fill(nobody, 0.0), lse.masked_fill(nobody, 0.0)
        shares = (grad * torch.exp2(-shift)).split(plan.lengths)  # used where logits are bounded
        grads, shifts = grad.split(plan.lengths), shift.split(plan.lengths)
        grad_views = [torch.zeros_like(z) for z in views]
        parts = plan.split(grad_views)
        scratch, other = plan.scratch(views[0]), plan.scratch(views[0])
        with products.scope():
            for t, kept in zip_longest(plan.tiles, powers):
                # d loss / d logit of a pair, from both of its anchors together:
                # grad_i exp(l - lse_i) + grad_j exp(l - lse_j)
                weight = rule.tile(t.i, t.j)
                pair, both = plan.view(scratch, t), plan.view(other, t)
                if kept is None:
                    products.logits(left[t.rows], right[t.cols], pair, factor)
                    add_rule(pair, weight, LOG2E)
                    if t.without_diagonal:
                        pair.fill_diagonal_(-torch.inf)
                if ctx.bounded:
                    torch.add(shares[t.rows][:, None], shares[t.cols], out=both)
                    torch.mul(pair.exp2_() if kept is None else kept, both, out=pair)
                else:
                    if t.turned:
                        torch.sub(pair, shifts[t.cols], out=both).exp2_().mul_(grads[t.cols])
                    pair.sub_(shifts[t.rows][:, None]).exp2_().mul_(grads[t.rows][:, None])
                    # A square tile holds every pair twice, and each row has seen its own of the
                    # two: with large logits the last bit of the other decides.
                    pair.add_(both if t.turned else both.copy_(pair.t()))
                if rule.needed:
                    # The sums over a diagonal tile count both orders of a pair.
                    rule.add(weight, pair if t.turned else 0.5 * pair)
                pair = products.weights(pair)
                products.add(parts[t.rows], pair, right[t.cols])
                if t.turned:
                    products.add(parts[t.cols], pair.t(), right[t.rows])
        grad_scale = None
        if ctx.needs_input_grad[0]:
            # <z, grad_z> counts every pair at both of its ends.
            dots = [(z * g).sum() for z, g in zip(views, grad_views, strict=True)]
            grad_scale = torch.stack(dots).sum() / 2
        for g in grad_views:
            g *= scale
        return grad_scale, None, *grad_views, *rule.grads


class _Plan:
    """The views cut into blocks, and the tiles between them; kept for the backward pass."""

    def __init__(
        self,
        like: Tensor,
        num_views: int,
        intra: bool,
        exclude: bool,
        rule: LogWeight | None,
        settings: Tiling,
    ):
        n, self.rule, self.precision = len(like), rule, settings.precision
        width = 1 if rule is None else rule.width
        tile = settings.tile or default_tile(like, width, self.precision)
        self.tiles, self.num_views = _tiles(n, num_views, intra, exclude, tile), num_views
        self.block_lengths = [b.stop - b.start for b in blocks(n, tile)]
        self.lengths, self.length = self.block_lengths * num_views, n * num_views

    def split(self, views: Sequence[Tensor]) -> list[Tensor]:
        """The blocks of all views, one after another."""
        return [block for z in views for block in z.split(self.block_lengths)]

    def factors(
        self, products: Products, views: Sequence[Tensor], scale: Tensor, unit: float
    ) -> tuple[list[Tensor], list[Tensor], float]:
        """Blocks to multiply by each other, and a factor of the result: base-2 logits.

        `unit` is `scale * LOG2E` as a number.
        """
        right = self.split([products.factor(z) for z in views])
        if not products.cast:
            return right, right, unit
        # Rounded results would be rounded once more by a factor.
        scaled = [products.factor(z * (scale * LOG2E)) for z in views]
        return self.split(scaled), right, 1.0

    def scratch(self, like: Tensor) -> Tensor:
        return like.new_empty(max(self.lengths, default=0) ** 2)

    def view(self, scratch: Tensor, t: _Tile) -> Tensor:
        shape = self.lengths[t.rows], self.lengths[t.cols]
        return scratch[: shape[0] * shape[1]].view(shape)
