"""Draws without repetition from the neighbours of many nodes at once."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from gcl.graphs.target_lists import all_slots


def sample_neighbors(
    rowptr: Tensor, nodes: Tensor, fanout: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """For every node `fanout` of the edges that arrive at it, or all where there are fewer.

    Every subset of that size is as likely as any other: Floyd's algorithm, a round for each of the
    k draws and all nodes together. For a node with d edges,

        S = {};  for j = d - k .. d - 1:  t uniform in {0 .. j};  S += {t}, or {j} if t is in S

    Time O(nodes k^2 / 2) whatever the degrees, memory O(nodes k).

    Args:
        rowptr: where the edges of every node begin, see `gcl.graphs.target_lists`.
        nodes: whose edges.
        fanout: k, or -1 for all.
        generator: what is drawn from; nothing where all edges are taken.

    Shape:
        rowptr `[n + 1]`, nodes `[m]` -> row `[e]` in [0, m), rising, and slot `[e]`.

    Reference:
        Bentley and Floyd, "Programming pearls: a sample of brilliance", CACM 1987.

    Example:
        >>> rowptr = torch.tensor([0, 5, 6])
        >>> row, slot = sample_neighbors(rowptr, torch.tensor([1, 0]), 2, torch.Generator())
        >>> row, slot[0], slot[1:].unique().shape
        (tensor([0, 1, 1]), tensor(5), torch.Size([2]))
    """
    if fanout < 0:
        return all_slots(rowptr, nodes)
    start = rowptr.index_select(0, nodes).long()
    degree = rowptr.index_select(0, nodes + 1) - start
    # A column a node: a draw is then a row, which lies in one piece.
    places = torch.arange(fanout)[:, None].expand(fanout, len(nodes)).clone()
    many = (degree > fanout).nonzero().view(-1)
    if len(many):
        places.index_copy_(1, many, _floyd(degree.index_select(0, many), fanout, generator))
    taken = (torch.arange(fanout) < degree[:, None]).nonzero()
    row, draw = taken[:, 0], taken[:, 1]
    slot = places.view(-1).index_select(0, draw * len(nodes) + row)
    return row, slot + start.index_select(0, row)


def _floyd(degree: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """`[k, m]`: k different numbers below each degree, all of which are above k."""
    # 53 random bits: the chance of a number is right to degree / 2^53.
    uniform = torch.rand(k, len(degree), generator=generator, dtype=torch.float64)
    chosen = torch.empty(k, len(degree), dtype=torch.long)
    for i in range(k):
        last = degree - k + i
        drawn = (uniform[i] * (last + 1)).long()
        if i:
            # As any(0), in half its time.
            twice = (chosen[:i] == drawn).view(torch.uint8).amax(0).view(torch.bool)
            drawn = torch.where(twice, last, drawn)
        chosen[i] = drawn
    return chosen


def generator_of(*numbers: int) -> torch.Generator:
    """A generator of its own for every tuple of numbers, the same on every machine.

    Example:
        >>> torch.equal(*(torch.rand(2, generator=generator_of(0, 3)) for _ in range(2)))
        True
    """
    text = ",".join(map(str, numbers)).encode()
    seed = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    return torch.Generator().manual_seed(seed)
