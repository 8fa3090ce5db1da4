"""The sum over pairs of clusters, one value for all anchors of a cluster: the pair proxy."""

from __future__ import annotations

import torch
from torch import Tensor

from gcl.ops.clusters.members import (
    Members,
    SumOptions,
    covariances,
    overlap,
    positive,
    safe_logsumexp,
)


def pair_sum(
    u: Tensor,
    v: Tensor,
    scale: Tensor,
    members: Members,
    queries: Members,
    options: SumOptions,
    bonus: Tensor | None = None,
) -> Tensor:
    """The pair proxy, one value for every cluster of anchors; -inf for empty ones."""
    q = u * scale
    n_a, n_b = queries.sizes(u), members.sizes(v)
    first = queries.sums(q) / positive(n_a)[:, None]
    second = members.sums(v) / positive(n_b)[:, None]
    pairs, mean = n_a[:, None] * n_b, first @ second.t()
    total, square = pairs * mean, None
    if options.second_order:
        c_a = covariances(q, queries, n_a, first)
        c_b = covariances(v, members, n_b, second)
        variance = torch.einsum("bd,ade,be->ab", second, c_a, second)
        variance = variance + torch.einsum("ad,bde,ae->ab", first, c_b, first)
        variance = variance + torch.einsum("ade,bde->ab", c_a, c_b)
        square = pairs * (variance + mean.square())
    left = pairs
    if options.exclude:
        itself = (q * v).sum(1)
        left = pairs - overlap(torch.ones_like(itself), queries, members)
        total = total - overlap(itself, queries, members)
        if square is not None:
            square = square - overlap(itself.square(), queries, members)
    some = left > 8 * torch.finfo(u.dtype).eps * pairs
    left = torch.where(some, left, 1.0)
    mean = total / left
    logits = mean + (left / positive(n_a)[:, None]).log()
    if square is not None:
        logits = logits + (square / left - mean.square()).clamp(min=0) / 2
    if bonus is not None:
        logits = logits + bonus
    if not options.within:
        some = some & ~torch.eye(len(some), dtype=torch.bool, device=some.device)
    return safe_logsumexp(logits.masked_fill(~some, -torch.inf))
