"""Matrices of features as torch has them: dense, or CSR where they are sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from gcl.checks import shown
from gcl.ops.sparse import csr_tensor


def as_feature_matrix(where: str, given: Any, rows: int | None = None) -> Tensor:
    """A tensor, array, DataFrame of numbers or SciPy sparse matrix as float32 features.

    Shape:
        `[rows, f]` -> `[rows, f]`, sparse CSR where it came sparse.

    Raises:
        TypeError: no matrix of numbers.
        ValueError: of another shape, or with NaN or infinity.

    Example:
        >>> as_feature_matrix("here", sp.eye_array(2, format="csr")).layout
        torch.sparse_csr
    """
    if sp.issparse(given):
        csr = sp.csr_array(given, dtype=np.float32)
        csr.sum_duplicates()
        values = torch.from_numpy(csr.data)
        crow, col = (torch.from_numpy(v.astype(np.int64)) for v in (csr.indptr, csr.indices))
        x = csr_tensor(crow, col, values, (csr.shape[0], csr.shape[1]))
    else:
        if isinstance(given, Tensor):
            x = given.detach()
            x = x if x.layout in (torch.strided, torch.sparse_csr) else x.to_sparse_csr()
        else:
            try:
                array = np.asarray(given)
                numbers = array.astype(np.float32) if array.dtype.kind in "biufO" else None
            except (TypeError, ValueError):
                numbers = None
            if numbers is None:
                raise TypeError(
                    f"{where}: features must be a matrix of numbers, or names of columns, got "
                    f"{shown(given)}."
                )
            x = torch.from_numpy(np.ascontiguousarray(numbers))
        x = x if x.dtype in (torch.int64, torch.float32) else x.float()
        values = x if x.layout == torch.strided else x.values()
    if x.dim() != 2 or (rows is not None and x.shape[0] != rows):
        wanted = "num_nodes" if rows is None else rows
        raise ValueError(
            f"{where}: features must be [{wanted}, columns], a row for each node in the order of "
            f"the nodes, got {list(x.shape)}."
        )
    if not bool(values.isfinite().all()):
        raise ValueError(f"{where}: features hold NaN or infinity; fill them in first.")
    return x
