"""Sparse CSR products, and dots of listed pairs of rows.

Without the warnings that torch emits at the first CSR tensor of a process.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


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


def _use_up_warnings() -> None:
    # torch warns once a process that CSR is in beta and once that invariants go unchecked, also
    # from inside products and transposes; both are meant, so they are spent here, at import.
    index = torch.tensor([0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(index, index[:1], torch.ones(1), (1, 1))


_use_up_warnings()
