"""The sum over clusters of every anchor by itself: the node proxy, block of rows by block."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gcl.ops.autograd import first_order_only
from gcl.ops.clusters.members import Members, SumOptions, covariances, positive, safe_logsumexp
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import unit_rows
from gcl.ops.tiles import blocks
from gcl.ops.tracing import traced

# Numbers of a block of rows: on CPU a block and its gradient stay in the caches of a core.
BLOCK = 1 << 19


def node_sum(
    u: Tensor,
    v: Tensor,
    scale: Tensor,
    members: Members,
    queries: Members | None,
    options: SumOptions,
    bonus: Tensor | None = None,
) -> Tensor:
    """The node proxy; `bonus` is added to the logits of the clusters."""
    sizes = members.sizes(v)
    covariance = None
    if options.second_order:
        covariance = covariances(v, members, sizes, members.sums(v) / positive(sizes)[:, None])
    apart = None if options.within or queries is None else queries
    wide = u.shape[1] ** 2 if options.second_order else u.shape[1]
    step = (BLOCK if u.device.type == "cpu" else 64 * BLOCK) // max(1, wide, members.number)
    plan = _NodePlan(
        members.labels,
        None if apart is None else apart.labels,
        members.number,
        options.exclude,
        options.normalize,
        max(16, step),
        members.together,
    )
    shares = None if apart is None else apart.shares
    if traced():
        every = slice(0, len(u))
        sums = plan.everywhere(plan.sums(slice(0, len(v)), v, members.shares))
        shared = plan.head(sums, sizes, covariance, scale)
        own = None if u is v or not plan.exclude else v
        return plan.values(every, u, own, members.shares, shares, *shared, bonus)
    return _NodeSum.apply(
        plan, u, None if u is v else v, scale, members.shares, shares, sizes, covariance, bonus
    )


class _NodePlan(NamedTuple):
    """The node proxy in three parts, each plain PyTorch."""

    labels: Tensor | None  # of the candidates
    apart: Tensor | None  # of the anchors, if their own cluster is left out
    number: int
    exclude: bool
    normalize: bool
    step: int
    together: Ranks | None

    def everywhere(self, x: Tensor) -> Tensor:
        """The sum of what the ranks have."""
        return x if self.together is None else total(x, self.together)

    def sums(self, rows: slice, v: Tensor, shares: Tensor | None) -> Tensor:
        """Sums of the rows of a block by cluster."""
        labels = None if self.labels is None else self.labels[rows]
        members = Members(labels, shares, self.number)
        return members.sums(unit_rows(v) if self.normalize else v)

    def head(
        self, sums: Tensor, sizes: Tensor, covariance: Tensor | None, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Means, sizes, covariances; they take in a scale that is one for all."""
        means = sums / positive(sizes)[:, None]
        if scale.dim() == 0:  # cheaper than a product with every row
            means = means * scale
            covariance = None if covariance is None else covariance * scale.square()
        return means, sizes, covariance, scale

    def values(
        self,
        rows: slice,
        u: Tensor,
        k: Tensor | None,  # u if None
        shares: Tensor | None,
        apart: Tensor | None,
        means: Tensor,
        sizes: Tensor,
        covariance: Tensor | None,
        scale: Tensor,
        bonus: Tensor | None,
    ) -> Tensor:
        """The log-sum-exp of a block of anchors."""
        if self.normalize:
            u, k = unit_rows(u), None if k is None else unit_rows(k)
        one = scale.dim() == 0
        q = u if one else u * scale[rows, None]
        t = q @ means.t()
        logits = t + positive(sizes).log().masked_fill(sizes <= 0, -torch.inf)
        spread = None
        if covariance is not None:
            squares = (q[:, :, None] * q[:, None, :]).flatten(1)
            spread = squares @ covariance.flatten(1).t()
            logits = logits + spread / 2
        if self.exclude:
            at = None if self.labels is None else self.labels[rows, None]
            itself = (q * (u if k is None else k)).sum(1, keepdim=True)
            itself = itself * scale if one else itself
            share = torch.ones_like(itself) if shares is None else shares
            n, mean = _pick(sizes.expand_as(t), at), _pick(t, at)
            left = n - share
            some = left > 8 * torch.finfo(t.dtype).eps * n
            left = torch.where(some, left, 1.0)
            rest = (n * mean - share * itself) / left
            value = rest + left.log()
            if spread is not None:
                square = n * (_pick(spread, at) + mean.square()) - share * itself.square()
                value = value + (square / left - rest.square()).clamp(min=0) / 2
            logits = _put(logits, at, value.masked_fill(~some, -torch.inf))
        if bonus is not None:
            logits = logits + bonus
        if self.apart is not None:
            at = self.apart[rows, None]
            logits = _put(logits, at, t.new_full((len(t), 1), -torch.inf))
        if apart is not None:
            keep = 1 - apart
            logits = logits + positive(keep).log()
            logits = logits.masked_fill(keep <= 0, -torch.inf)
        return safe_logsumexp(logits)


class _NodeSum(torch.autograd.Function):
    """The node proxy, block of rows by block; the backward pass computes each block again.

    Plain autograd through slices would keep the arrays of every block, or copy the whole matrix
    for each. One gradient of each matrix is made, and what it gets as anchors, as itself and as
    part of its cluster is written there: large new arrays cost more than the sums in them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: _NodePlan,
        u: Tensor,
        v: Tensor | None,
        scale: Tensor,
        shares: Tensor | None,
        apart: Tensor | None,
        sizes: Tensor,
        covariance: Tensor | None,
        bonus: Tensor | None,
    ) -> Tensor:
        keys = u if v is None else v
        sums = u.new_zeros(plan.number, u.shape[1])
        for rows in blocks(len(keys), plan.step):
            sums += plan.sums(rows, keys[rows], _cut(shares, rows))
        sums = plan.everywhere(sums)
        shared = plan.head(sums, sizes, covariance, scale)
        ctx.save_for_backward(u, v, scale, shares, apart, sizes, covariance, bonus, sums)
        ctx.plan = plan
        own = v if plan.exclude else None
        parts = []
        for rows in blocks(len(u), plan.step):
            block = (u[rows], _cut(own, rows), _cut(shares, rows), _cut(apart, rows))
            parts.append(plan.values(rows, *block, *shared, bonus))
        return torch.cat(parts) if parts else u.new_empty(0)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan: _NodePlan = ctx.plan
        u, v, scale, shares, apart, sizes, covariance, bonus, sums = ctx.saved_tensors
        _, _, _, for_scale, for_shares, for_apart, for_sizes, _, _ = ctx.needs_input_grad
        top = [_leaf(sums), _leaf(sizes, for_sizes), _leaf(covariance), _leaf(scale, for_scale)]
        with torch.enable_grad():
            shared: Any = plan.head(*top)
        low: Any = [None if t is None else _leaf(t, t.requires_grad) for t in shared]
        slopes = [None if t is None or not t.requires_grad else torch.zeros_like(t) for t in low]
        own = v if plan.exclude else None
        grad_u = torch.empty_like(u, memory_format=torch.contiguous_format)
        grad_v = grad_u if v is None else torch.zeros_like(v)
        grad_shares = torch.zeros_like(shares) if for_shares else None
        grad_apart = torch.zeros_like(apart) if for_apart else None
        for rows in blocks(len(u), plan.step):
            block: Any = [
                _leaf(u[rows]),
                _leaf(_cut(own, rows)),
                _leaf(_cut(shares, rows), for_shares) if plan.exclude else None,
                _leaf(_cut(apart, rows), for_apart),
            ]
            with torch.enable_grad():
                everything = [*block, *low, bonus]
                out = plan.values(rows, *everything)
            mine, further, of_shares, of_apart, *rest = _slopes(out, everything[:-1], grad[rows])
            grad_u[rows] = 0.0 if mine is None else mine
            for found, part in (
                (grad_v, further), (grad_shares, of_shares), (grad_apart, of_apart)
            ):  # fmt: skip
                if found is not None and part is not None:
                    found[rows] += part
            for found, part in zip(slopes, rest, strict=True):
                if found is not None and part is not None:
                    found += part
        of_sums, of_sizes, of_covariance, of_scale = _slopes(shared, top, slopes)
        # The sums are those of all ranks, and so is what depends on them.
        of_sums = plan.everywhere(of_sums)
        keys = u if v is None else v
        for rows in blocks(len(keys), plan.step):
            block = [_leaf(keys[rows]), _leaf(_cut(shares, rows), for_shares)]
            with torch.enable_grad():
                out = plan.sums(rows, *block)
            mine, of_shares = _slopes(out, block, of_sums)
            grad_v[rows] += mine
            if grad_shares is not None and of_shares is not None:
                grad_shares[rows] += of_shares
        return (
            None, grad_u, None if v is None else grad_v, of_scale, grad_shares, grad_apart,
            of_sizes, of_covariance, None,
        )  # fmt: skip


def _cut(t: Tensor | None, rows: slice) -> Tensor | None:
    return None if t is None else t[rows]


def _leaf(t: Any, needed: bool = True) -> Any:
    return None if t is None else t.detach().requires_grad_(needed)


def _slopes(out: Any, leaves: list[Any], grad: Any) -> list[Any]:
    """Gradients of one or several results, None where there is nothing to follow."""
    if isinstance(out, tuple):
        pairs = [(o, g) for o, g in zip(out, grad, strict=True) if g is not None]
        out, grad = zip(*pairs, strict=True)
    followed = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    found = iter(torch.autograd.grad(out, followed, grad, allow_unused=True))
    return [next(found) if leaf is not None and leaf.requires_grad else None for leaf in leaves]


def _pick(tile: Tensor, at: Tensor | None) -> Tensor:
    """The entries of the own cluster `[rows, 1]`; all of them for shares."""
    return tile if at is None else tile.gather(1, at)


def _put(tile: Tensor, at: Tensor | None, value: Tensor) -> Tensor:
    return value if at is None else tile.scatter(1, at, value)
