"""The edges of a graph by target: who reaches a node, found without a pass over all edges."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gcl.ops.structure import pointer, stable_order

_INT32 = 2**31


class TargetLists(NamedTuple):
    """Edges in the order of their targets; a slot is a position in that order.

    Attributes:
        rowptr: `[num_dst + 1]` int64, where the edges that arrive at a node begin.
        col: `[e]`, the source of every slot.
        perm: `[e]`, the edge of every slot; None where the list is in this order already.
    """

    rowptr: Tensor
    col: Tensor
    perm: Tensor | None

    def edges(self, slot: Tensor) -> Tensor:
        """Positions in the edge list, int64."""
        return slot if self.perm is None else self.perm.index_select(0, slot).long()


def target_lists(edge_index: Tensor, num_src: int, num_dst: int) -> TargetLists:
    """The edge list `[2, e]` by target; copies of a target's edges keep their order.

    Numbers are held in 32 bits where that suffices, half of what an edge list takes.

    Example:
        >>> target_lists(torch.tensor([[2, 0, 1], [1, 0, 0]]), 3, 2)
        TargetLists(rowptr=tensor([0, 2, 3]), col=tensor([0, 1, 2], dtype=torch.int32),
        perm=tensor([1, 2, 0], dtype=torch.int32))
    """
    source, target = edge_index
    small = torch.int32 if num_src < _INT32 else torch.int64
    rowptr = pointer(target, num_dst)
    if target.numel() < 2 or bool((target[1:] >= target[:-1]).all()):
        return TargetLists(rowptr, source.to(small), None)
    perm = stable_order(target, num_dst)
    col = source.index_select(0, perm).to(small)
    return TargetLists(rowptr, col, perm.to(torch.int32) if len(perm) < _INT32 else perm)


def all_slots(rowptr: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Every edge that arrives at the nodes.

    Shape:
        rowptr `[n + 1]`, nodes `[m]` -> row `[e']` in [0, m), rising, and slot `[e']`.

    Example:
        >>> all_slots(torch.tensor([0, 2, 2, 3]), torch.tensor([2, 0]))
        (tensor([0, 1, 1]), tensor([2, 0, 1]))
    """
    start = rowptr.index_select(0, nodes)
    count = rowptr.index_select(0, nodes + 1) - start
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    row = torch.repeat_interleave(count, output_size=total)
    shift = start - (ends - count)
    return row, torch.arange(total, device=row.device) + shift.index_select(0, row)
