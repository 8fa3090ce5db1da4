r"""Denominators of several views over the rows of all ranks, every pair of ranks handled once.

Rank r holds Z = [z^1; ..; z^M], its rows of all views. For hops h = 0 .. floor(w / 2) the Z of
rank r - h arrives, and each tile between the two serves both sides; with 2h = w both ends of a pair
meet, so that the lower rank takes its first half of nodes by all, the upper one all by the lower's
second half. With s = log2(e) / tau and E_ij = 2^(s <z_i, z_j>),

    forward    S_i += sum_j E_ij,   A_j += sum_i E_ij,   A goes home,   lse = log2(S + A)
    backward   G_ij = E_ij (a_i + a_j),   a_i = g_i 2^-lse_i,   which travels with Z
               dZ_i += G_ij z_j,   B_j += G_ij z_i,   B goes home,   dZ / tau,
               dtau from <z, dZ> / 2 of the own rows

which is 16 N^2 D / w operations a rank, where gathered rows cost 24 of them for all pairs. Weights
W_ij = W_ji multiply E; every rank evaluates its tiles of the rule at positions among all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from gcl.ops.autograd import first_order_only
from gcl.ops.log_weight import LogWeight, RuleGradient, add_rule, check_rule
from gcl.ops.ranks import Ranks
from gcl.ops.reductions import merge
from gcl.ops.stream_rows import as_tau
from gcl.ops.tiles import LN2, LOG2E, SAFE_LOGIT, Products, blocks, default_tile
from gcl.ops.tiling import Tiling, current_tiling


def ring_logsumexp(
    views: Sequence[Float[Tensor, "n d"]],
    tau: Tensor | float,
    together: Ranks,
    *,
    intra: bool = True,
    exclude: bool = True,
    log_weight: LogWeight | None = None,
) -> list[Float[Tensor, " n"]]:
    """`gcl.ops.multi_view_logsumexp` of this rank's rows against those of all ranks.

    Args:
        views: M >= 2 matrices of this rank's rows, of one type, the same on all ranks.
        tau: temperature, one number for all.
        together: the ranks and their rows.
        intra: also sum over the other rows of the same view.
        exclude: leave out the other views of the node itself.
        log_weight: a symmetric rule for log W_ij over pairs of all ranks' nodes, in rank order, the
            same on all ranks.

    Raises:
        ValueError: a rule that is not symmetric, or for another number of nodes.

    Shape:
        M times `[n, d]` -> M times `[n]`; -inf where there is no candidate.

    The gradients that come back are expected as `gcl.ops.ranks.whole` passes them: every rank's of
    its own part of one loss.
    """
    tau = as_tau(views[0], tau)
    check_rule(log_weight, together.total, together.total)
    if log_weight is not None and not log_weight.symmetric:
        raise ValueError(
            "ring_logsumexp: a tile between two ranks serves both, so the rule must be symmetric; "
            "say symmetric=True if W_ij = W_ji, or gather the rows."
        )
    plan = _Plan(together, len(views), intra, exclude, log_weight, current_tiling())
    tensors = () if log_weight is None else log_weight.tensors
    with torch.autocast(views[0].device.type, enabled=False):
        stacked = torch.cat([z.contiguous() for z in views])
        lse = _RingLogSumExp.apply(1 / tau, stacked, plan, *tensors)
    return list(lse.split(len(views[0]))) if len(views[0]) else [lse] * len(views)


class _Hop(NamedTuple):
    """Two ranks meet: the rows of this one, and those that have come."""

    other: int  # the rank whose rows have come
    mine: slice  # nodes of each view that take part
    theirs: slice


class _Tile(NamedTuple):
    i: slice  # rows of the stacked views
    j: slice
    rows: slice  # the same as nodes of all ranks
    cols: slice
    turned: bool  # stands for its transpose, too
    bare: bool  # without its diagonal


class _Plan:
    """Which ranks meet, and which tiles lie between them."""

    def __init__(
        self,
        together: Ranks,
        num_views: int,
        intra: bool,
        exclude: bool,
        rule: LogWeight | None,
        settings: Tiling,
    ):
        self.together, self.num_views, self.settings = together, num_views, settings
        self.intra, self.exclude, self.rule = intra, exclude, rule

    def hops(self) -> list[_Hop]:
        """The meetings after that with itself."""
        ranks, found = self.together, []
        for h in range(1, ranks.size // 2 + 1):
            other = (ranks.rank - h) % ranks.size
            mine, theirs = (slice(0, ranks.lengths[r]) for r in (ranks.rank, other))
            if 2 * h == ranks.size:
                if ranks.rank < other:
                    mine = slice(0, mine.stop // 2)
                else:
                    theirs = slice(theirs.stop // 2, theirs.stop)
            found.append(_Hop(other, mine, theirs))
        return found

    def at_home(self, n: int, tile: int) -> Iterator[_Tile]:
        """Tiles that cover every pair of this rank's own rows once."""
        nodes, start = blocks(n, tile), self.together.start
        for a in range(self.num_views):
            for b in range(a if self.intra else a + 1, self.num_views):
                for x, i in enumerate(nodes):
                    for y in range(x if a == b else 0, len(nodes)):
                        bare = x == y and (a == b or self.exclude)
                        turned = a != b or x != y
                        j = nodes[y]
                        places = _moved(i, start), _moved(j, start)
                        yield _Tile(_moved(i, a * n), _moved(j, b * n), *places, turned, bare)

    def between(self, hop: _Hop, tile: int) -> Iterator[_Tile]:
        """Tiles between two ranks."""
        n, m = (self.together.lengths[r] for r in (self.together.rank, hop.other))
        start, there = self.together.start, sum(self.together.lengths[: hop.other])
        rows = blocks(hop.mine.stop - hop.mine.start, tile, hop.mine.start)
        cols = blocks(hop.theirs.stop - hop.theirs.start, tile, hop.theirs.start)
        for a in range(self.num_views):
            for b in range(self.num_views):
                if a != b or self.intra:
                    for i in rows:
                        for j in cols:
                            places = _moved(i, start), _moved(j, there)
                            yield _Tile(_moved(i, a * n), _moved(j, b * m), *places, True, False)

    def tile(self, like: Tensor) -> int:
        width = 1 if self.rule is None else self.rule.width
        return self.settings.tile or default_tile(like, width, self.settings.precision)

    def exchange(self, sent: Tensor, to: int, came_from: int, length: int) -> _Mail:
        """Rows `[M n, ...]` on their way to a rank, and those of another `[M length, ...]`."""
        ranks = self.together
        box = sent.new_empty(self.num_views * length, *sent.shape[1:])
        works = []
        # Both ends know the lengths, so nothing is padded, and nothing sent where there is nothing.
        if sent.numel():
            works.append(dist.P2POp(dist.isend, sent.contiguous(), ranks.peer(to), ranks.group))
        if box.numel():
            works.append(dist.P2POp(dist.irecv, box, ranks.peer(came_from), ranks.group))
        under_way = dist.batch_isend_irecv(works) if works else []
        return _Mail(box, under_way, works)

    def arrivals(self, sent: Tensor) -> Iterator[tuple[_Hop, Tensor]]:
        """The rows of the ranks to meet, the next ones on their way while these are worked on."""
        # The first leave now, and not when the first are asked for.
        hops = self.hops()
        return self._arrivals(sent, hops, self._next(sent, 0, hops))

    def _arrivals(
        self, sent: Tensor, hops: list[_Hop], mail: _Mail | None
    ) -> Iterator[tuple[_Hop, Tensor]]:
        for h, hop in enumerate(hops):
            assert mail is not None
            came, mail = mail.open(), self._next(sent, h + 1, hops)
            yield hop, came

    def _next(self, sent: Tensor, h: int, hops: list[_Hop]) -> _Mail | None:
        if h == len(hops):
            return None
        ranks, other = self.together, hops[h].other
        return self.exchange(sent, (ranks.rank + h + 1) % ranks.size, other, ranks.lengths[other])

    def home(self, found: Tensor, hop: _Hop) -> _Mail:
        """What was found for the rows of another rank goes to it, and its finding comes here."""
        ranks = self.together
        h = (ranks.rank - hop.other) % ranks.size
        back = (ranks.rank + h) % ranks.size
        return self.exchange(found, hop.other, back, ranks.lengths[ranks.rank])


class _Mail:
    """A message each way."""

    def __init__(self, box: Tensor, works: list[Any], held: list[Any]):
        self.box, self.works = box, works
        self.held = held  # what is sent must live until it is there

    def open(self) -> Tensor:
        """What has come."""
        for work in self.works:
            work.wait()
        self.held = []
        return self.box


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


class _RingLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scale: Tensor, z: Tensor, plan: _Plan, *tensors: Tensor) -> Tensor:
        n = len(z) // plan.num_views
        products, tile = Products(plan.settings.precision, z.device), plan.tile(z)
        longest = z.square().sum(1).max() if len(z) else z.new_zeros(())
        longest = longest.detach().clone()
        # Whether powers stay in range is asked of all rows, so that all ranks do the same.
        dist.all_reduce(longest, dist.ReduceOp.MAX, group=plan.together.group)
        most, unit = torch.stack([longest * scale, scale * LOG2E]).tolist()
        slack = 0.0 if plan.rule is None else plan.rule.bound
        bounded = slack < SAFE_LOGIT and most <= SAFE_LOGIT - slack
        sums = z.new_full((len(z),), 0.0 if bounded else -torch.inf)
        scratch = z.new_empty(tile, tile)
        left, right, factor = _factors(products, z, scale, unit)

        def visit(t: _Tile, other: Tensor, mine: Tensor, theirs: Tensor) -> None:
            out = _view(scratch, t)
            logits = products.logits(left[t.i], other[t.j], out, factor)
            if plan.rule is not None:
                add_rule(logits, plan.rule(t.rows, t.cols, *tensors), LOG2E)
            if t.bare:
                logits.fill_diagonal_(-torch.inf)
            if bounded:
                powers = logits.exp2_()
                mine[t.i].add_(powers.sum(1))
                if t.turned:
                    theirs[t.j].add_(powers.sum(0))
            else:
                if t.turned:
                    theirs[t.j].copy_(merge(theirs[t.j], logits.clone(), 0))
                mine[t.i].copy_(merge(mine[t.i], logits, 1))

        mails = []
        with products.scope():
            arriving = plan.arrivals(z)
            for t in plan.at_home(n, tile):
                visit(t, right, sums, sums)
            for hop, came in arriving:
                found = came.new_full((len(came),), 0.0 if bounded else -torch.inf)
                theirs = products.factor(came)
                for t in plan.between(hop, tile):
                    visit(t, theirs, sums, found)
                mails.append(plan.home(found, hop))
        for mail in mails:
            came = mail.open()
            sums = sums + came if bounded else torch.logaddexp2(sums, came)
        lse = sums.log2() if bounded else sums
        ctx.save_for_backward(scale, z, lse, *tensors)
        ctx.plan, ctx.bounded, ctx.unit = plan, bounded, unit
        return lse * LN2

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan = ctx.plan
        scale, z, lse, *tensors = ctx.saved_tensors
        rule = RuleGradient(plan.rule, tuple(tensors), list(ctx.needs_input_grad[3:]))
        n, tile = len(z) // plan.num_views, plan.tile(z)
        products = Products(plan.settings.precision, z.device)
        left, right, factor = _factors(products, z, scale, ctx.unit)
        # A row without candidates has no slope anywhere.
        nobody = lse == -torch.inf
        grad, shift = grad.masked_fill(nobody, 0.0), lse.masked_fill(nobody, 0.0)
        if ctx.bounded:
            told = (grad * torch.exp2(-shift))[:, None]
        else:
            told = torch.stack([grad, shift], 1)
        dz = torch.zeros_like(z)
        scratch, second = z.new_empty(tile, tile), z.new_empty(tile, tile)

        def visit(t: _Tile, other: tuple[Tensor, Tensor], mine: Tensor, theirs: Tensor) -> None:
            rows, slopes = other
            pair, both = _view(scratch, t), _view(second, t)
            products.logits(left[t.i], rows[t.j], pair, factor)
            weight = rule.tile(t.rows, t.cols)
            add_rule(pair, weight, LOG2E)
            if t.bare:
                pair.fill_diagonal_(-torch.inf)
            if ctx.bounded:
                torch.add(told[t.i], slopes[t.j, 0], out=both)
                pair.exp2_().mul_(both)
            else:
                if t.turned:
                    torch.sub(pair, slopes[t.j, 1], out=both).exp2_().mul_(slopes[t.j, 0])
                pair.sub_(told[t.i, 1, None]).exp2_().mul_(told[t.i, 0, None])
                pair.add_(both if t.turned else both.copy_(pair.t()))
            if rule.needed:
                # The sums over a tile that is its own transpose count both orders of a pair.
                rule.add(weight, pair if t.turned else 0.5 * pair)
            pair = products.weights(pair)
            products.add(mine[t.i], pair, rows[t.j])
            if t.turned:
                products.add(theirs[t.j], pair.t(), right[t.i])

        mails = []
        with products.scope():
            # The slopes travel with the rows, in further columns.
            arriving = plan.arrivals(torch.cat([z, told.to(z.dtype)], 1))
            for t in plan.at_home(n, tile):
                visit(t, (right, told), dz, dz)
            for hop, came in arriving:
                theirs, slopes = came[:, : z.shape[1]].contiguous(), came[:, z.shape[1] :]
                found, other = torch.zeros_like(theirs), products.factor(theirs)
                for t in plan.between(hop, tile):
                    visit(t, (other, slopes), dz, found)
                mails.append(plan.home(found, hop))
        for mail in mails:
            dz += mail.open()
        # <z, dz> counts every pair at both of its ends, each on its rank.
        grad_scale = (z * dz).sum() / 2 if ctx.needs_input_grad[0] else None
        return grad_scale, dz.mul_(scale), None, *rule.grads


def _factors(
    products: Products, z: Tensor, scale: Tensor, unit: float
) -> tuple[Tensor, Tensor, float]:
    """Rows to multiply by each other, and a factor of the result: base-2 logits."""
    right = products.factor(z)
    if not products.cast:
        return right, right, unit
    return products.factor(z * (scale * LOG2E)), right, 1.0


def _view(scratch: Tensor, t: _Tile) -> Tensor:
    shape = t.i.stop - t.i.start, t.j.stop - t.j.start
    return scratch.view(-1)[: shape[0] * shape[1]].view(shape)
