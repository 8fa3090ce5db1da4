"""The edges of a graph by target: who reaches a node, found without a pass over all edges."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gcl.ops.blocks import is_rising
from gcl.ops.structure import pointer, stable_order

_INT32 = 2**31


class TargetLists(NamedTuple):
    """Edges in the order of their targets; a slot is a position in that order.

    Attributes:
        rowptr: `[num_dst + 1]`, where the edges that arrive at a node begin.
        source: `[e]`, the source of every edge: a view of the list, which is not copied.
        perm: `[e]`, the edge of every slot; None where the list is in this order already.
    """

    rowptr: Tensor
    source: Tensor
    perm: Tensor | None

    def edges(self, slot: Tensor) -> Tensor:
        """Positions in the edge list, in the integers that they are held in."""
        return slot if self.perm is None else self.perm.index_select(0, slot)


def target_lists(edge_index: Tensor, num_src: int, num_dst: int) -> TargetLists:
    """The edge list `[2, e]` by target; copies of a target's edges keep their order.

    Numbers are held in 32 bits where they suffice. A list that is sorted by target takes nothing an
    edge.

    Example:
        >>> target_lists(torch.tensor([[2, 0, 1], [1, 0, 0]]), 3, 2)
        TargetLists(rowptr=tensor([0, 2, 3], dtype=torch.int32),
        source=tensor([2, 0, 1]), perm=tensor([1, 2, 0], dtype=torch.int32))
    """
    source, target = edge_index
    small = torch.int32 if len(target) < _INT32 else torch.int64
    rowptr = pointer(target, num_dst).to(small)
    if is_rising(target):
        return TargetLists(rowptr, source, None)
    return TargetLists(rowptr, source, stable_order(target, num_dst).to(small))


def all_slots(rowptr: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Every edge that arrives at the nodes.

    Shape:
        rowptr `[n + 1]`, nodes `[m]` -> row `[e']` in [0, m), rising, and slot `[e']`.

    Example:
        >>> all_slots(torch.tensor([0, 2, 2, 3]), torch.tensor([2, 0]))
        (tensor([0, 1, 1]), tensor([2, 0, 1]))
    """
    start = rowptr.index_select(0, nodes).long()
    count = rowptr.index_select(0, nodes + 1) - start
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    row = torch.repeat_interleave(count, output_size=total)
    shift = start - (ends - count)
    return row, torch.arange(total, device=row.device) + shift.index_select(0, row)
