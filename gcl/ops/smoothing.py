"""Features averaged over neighbours again and again, a few columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from gcl.ops.propagation import Adjacency, gcn_adjacency, product
from gcl.ops.structure import csr_transpose

Keep: TypeAlias = Literal["mean", "last", "concat"]
"""What stays of `x, S x, ..., S^K x`: SSGC's mean, SGC's last, or all of them side by side."""

BUDGET = 1 << 24  # numbers held beyond input, output and adjacency: 64 MB in float32


@torch.no_grad()
def smooth(
    x: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    *,
    hops: int,
    keep: Keep = "mean",
    residual: float = 0.05,
    budget: int = BUDGET,
) -> Tensor:
    r"""Powers of `S = D^-1/2 (A + I) D^-1/2` times x, in blocks of columns.

        last    S^K x
        mean    (1 - r) / K sum_{k=1..K} S^k x + r x
        concat  [x, S x, ..., S^K x]

    Columns know nothing of each other, so a block of them takes all its hops before the next one
    comes, and only blocks are held beyond what comes in and goes out.

    Args:
        x: features, dense or sparse; whole numbers become floating-point.
        edge_index: as for `gcl.ops.propagation.gcn_adjacency`.
        edge_weight: the same.
        hops: K, >= 1.
        keep: see above.
        residual: r, of "mean".
        budget: numbers held beyond x, the result and the adjacency, at least one
            column's; a sparse x is held once more, sorted by column.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]` -> `[n, f]`, of "concat"
        `[n, (K + 1) f]`; dense.

    Example:
        >>> pair = torch.tensor([[0, 1], [1, 0]])
        >>> smooth(torch.tensor([[1.0], [0.0]]), pair, hops=1, keep="concat")
        tensor([[1.0000, 0.5000],
                [0.0000, 0.5000]])
    """
    x = x if x.layout == torch.strided else x.to_sparse_csr()
    n, f = x.shape
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    wide = torch.promote_types(dtype, torch.float32)  # sums over many neighbours
    adjacency = gcn_adjacency(edge_index, edge_weight, n, wide)
    parts = hops + 1 if keep == "concat" else 1
    out = torch.empty(n, parts, f, dtype=dtype, device=x.device)
    step = max(1, budget // (4 * max(1, n)))  # a block, its product, a sum and a passing one
    for columns, block in _blocks(x, wide, step):
        for k, part in _kept(adjacency, block, hops, keep, residual):
            out[:, k, columns] = part.to(dtype)
    return out.view(n, parts * f)


def _kept(
    adjacency: Adjacency, x: Tensor, hops: int, keep: Keep, residual: float
) -> Iterator[tuple[int, Tensor]]:
    if keep == "concat":
        yield 0, x
    total = residual * x if keep == "mean" else None
    for k in range(1, hops + 1):
        x = product(adjacency, x)
        if keep == "concat":
            yield k, x
        elif total is not None:
            total.add_(x, alpha=(1 - residual) / hops)
    if keep != "concat":
        yield 0, x if total is None else total


def _blocks(x: Tensor, dtype: torch.dtype, step: int) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of columns, dense and contiguous, with their places."""
    read = _dense_columns if x.layout == torch.strided else _sparse_columns(x)
    for start in range(0, x.shape[1], step):
        at = slice(start, min(start + step, x.shape[1]))
        yield at, read(x, at).to(dtype)


def _dense_columns(x: Tensor, at: slice) -> Tensor:
    return x[:, at].contiguous()


def _sparse_columns(x: Tensor) -> Callable[[Tensor, slice], Tensor]:
    """Reads columns of a CSR matrix, whose entries are sorted by column once."""
    pointer, rows, slots = csr_transpose(x.crow_indices(), x.col_indices(), x.shape[1])
    values = x.values()[slots]

    def read(x: Tensor, at: slice) -> Tensor:
        ends = pointer[at.start : at.stop + 1]
        inside = slice(int(ends[0]), int(ends[-1]))
        column = torch.arange(at.stop - at.start, device=x.device).repeat_interleave(ends.diff())
        block = values.new_zeros(x.shape[0], at.stop - at.start)
        return block.index_put_((rows[inside], column), values[inside], accumulate=True)

    return read
