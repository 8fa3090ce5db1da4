"""Sparse CSR tensors without the warnings that torch emits at the first one of a process."""

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


def _use_up_warnings() -> None:
    # torch warns once a process that CSR is in beta and once that invariants go unchecked, also
    # from inside products and transposes; both are meant, so they are spent here, at import.
    index = torch.tensor([0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(index, index[:1], torch.ones(1), (1, 1))


_use_up_warnings()
