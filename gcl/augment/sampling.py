"""Drawing without replacement from many ranges at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gcl.ops.structure import stable_order, tally


def distinct(count: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """For each group g, `count[g]` different integers of `range(size[g])`, uniformly.

    Time and memory grow with the counts, not with the sizes.

    Args:
        count: how many to draw, between 0 and size.
        size: length of each range.

    Shape:
        count `[g]`, size `[g]` -> groups `[m]` (rising) and numbers `[m]`, `m = count.sum()`.

    Example:
        >>> distinct(torch.tensor([0, 3]), torch.tensor([5, 3]))[0]
        tensor([1, 1, 1])
    """
    groups = torch.arange(count.numel(), device=count.device)
    start = size.cumsum(0) - size
    # Where most of a range is wanted: shuffle all of it, at most twice the count.
    dense = size <= 2 * count
    group = groups[dense].repeat_interleave(size[dense])
    rank = torch.arange(group.numel(), device=count.device)
    first = (size * dense).cumsum(0) - size * dense
    number = rank - first[group]
    shuffle = torch.randperm(group.numel(), device=count.device)
    shuffle = shuffle[stable_order(group[shuffle], count.numel())]
    wanted = number < count[group]
    kept = number[shuffle[wanted]] + start[group[wanted]]
    # Elsewhere a draw is new with a chance above one half: draw what is missing until none is.
    taken = kept.new_empty(0)
    missing = torch.where(dense, 0, count)
    while int(missing.sum()) > 0:
        group = groups.repeat_interleave(missing)
        limit = size[group]
        draw = (torch.rand(group.numel(), dtype=torch.float64, device=count.device) * limit).long()
        draw = start[group] + torch.minimum(draw, limit - 1)
        taken = sorted_unique(torch.cat([taken, draw]))
        have = tally(_group(taken, start, size), count.numel())
        missing = torch.where(dense, 0, count) - have
    found = sorted_unique(torch.cat([kept, taken]))
    group = _group(found, start, size)
    return group, found - start[group]


def sorted_unique(values: Tensor) -> Tensor:
    """`torch.unique`, on a CPU by the sort of NumPy, which is six times as fast."""
    if values.device.type != "cpu":
        return torch.unique(values)
    return torch.unique_consecutive(torch.from_numpy(np.sort(values.numpy())))


def _group(position: Tensor, start: Tensor, size: Tensor) -> Tensor:
    return torch.searchsorted(start + size, position, right=True)
