"""Sparse CSR products, and dots of listed pairs of rows.

Without the warnings that torch emits at the first CSR tensor of a process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

ROWS = 8192  # of a dense matrix that are raised to float64 at a time


def csr_tensor(crow: Tensor, col: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """A torch CSR matrix from its three arrays, which are trusted and not copied.

    Row i holds `values[crow[i] : crow[i + 1]]` in the columns `col[crow[i] : crow[i + 1]]`.

    Args:
        crow: row pointers, int64, starting at 0 and not falling.
        col: column of every entry, int64, rising and without repetition within a row.
        values: the entries; gradients reach them.
        size: `(rows, columns)`.

    Shape:
        crow `[rows + 1]`, col `[nnz]`, values `[nnz]` -> sparse CSR `[rows, columns]`.

    Example:
        >>> crow, col = torch.tensor([0, 1, 3]), torch.tensor([2, 0, 1])
        >>> csr_tensor(crow, col, torch.tensor([5.0, 6.0, 7.0]), (2, 3)).to_dense()
        tensor([[0., 0., 5.],
                [6., 7., 0.]])
    """
    return torch.sparse_csr_tensor(crow, col, values, size, check_invariants=False)


def csr_product(crow: Tensor, col: Tensor, values: Tensor, cols: int, x: Tensor) -> Tensor:
    """A CSR matrix with `cols` columns, given by its three arrays, times a dense matrix.

    Unlike in `csr_tensor`, a row may name a column several times, and in any order.

    Shape:
        crow `[rows + 1]`, col `[nnz]`, values `[nnz]`, x `[cols, d]` -> `[rows, d]`.
    """
    matrix = csr_tensor(crow, col, values, (len(crow) - 1, cols))
    if x.device.type == "cpu":
        # torch's own row-parallel kernel; the vendor's behind `@` was slower and copies indices.
        return torch.sparse.mm(matrix, x, "sum")
    return matrix @ x


def row_dots(a: Tensor, b: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """`<a[rows], b[cols]>` for lists of pairs, in blocks that never gather all rows at once.

    Shape:
        a `[n, d]`, b `[m, d]`, rows `[p]`, cols `[p]` -> `[p]`.
    """
    # Blocks that stay in the caches of a core, and big enough for a GPU.
    block = max(1, (1 << (18 if a.device.type == "cpu" else 22)) // max(1, a.shape[1]))
    pairs = zip(rows.split(block), cols.split(block), strict=True)
    return torch.cat([(a[i] * b[j]).sum(1) for i, j in pairs])


def column_sums(x: Tensor, weight: Tensor, size: Callable[[Tensor], Tensor] = torch.abs) -> Tensor:
    """`sum_i size(x_if) weight_i` of every column f, in O(nnz(x)).

    Args:
        x: a dense or sparse matrix.
        weight: one number a row, float64.
        size: what an entry counts; 0 for 0.

    Shape:
        x `[n, f]`, weight `[n]` -> `[f]`, float64.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [-1.0, 3.0]])
        >>> column_sums(x, torch.tensor([1.0, -2.0]).double())
        tensor([-1., -6.], dtype=torch.float64)
    """
    if x.dtype == torch.bool:  # torch has no size of them
        count, size = size, lambda values: count(values.byte())
    sums = weight.new_zeros(x.shape[1])
    if x.layout != torch.strided:
        x = x.to_sparse_csr()
        row = torch.repeat_interleave(x.crow_indices().diff(), output_size=x.values().numel())
        return sums.index_add_(0, x.col_indices(), size(x.values()).double() * weight[row])
    for rows, part in zip(x.split(ROWS), weight.split(ROWS), strict=True):
        sums += part @ size(rows).double()
    return sums


def _use_up_warnings() -> None:
    # torch warns once a process that CSR is in beta and once that invariants go unchecked, also
    # from inside products and transposes; both are meant, so they are spent here, at import.
    index = torch.tensor([0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(index, index[:1], torch.ones(1), (1, 1))


_use_up_warnings()
