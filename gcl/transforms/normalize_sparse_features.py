"""Rows of sparse features divided by their sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.sparse import csr_tensor


class NormalizeSparseFeatures(BaseTransform):
    """Divides every row of sparse features by its sum, for every node type that has such.

    `x_if -> x_if / sum_f x_if`, and rows of sum 0 stay. Dense features are left alone: PyG's
    `NormalizeFeatures`, which takes no sparse ones, is for those.

    Shape:
        x `[n, f]` sparse, of any layout -> sparse CSR.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.tensor([[1.0, 3.0], [0.0, 0.0]]).to_sparse_csr())
        >>> NormalizeSparseFeatures()(data).x.values()
        tensor([0.2500, 0.7500])
    """

    def forward(self, data: Any) -> Any:
        for store in data.node_stores:
            x = store.get("x")
            if isinstance(x, Tensor) and x.layout != torch.strided:
                store["x"] = _rows_to_one(x.to_sparse_csr())
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _rows_to_one(x: Tensor) -> Tensor:
    crow, values = x.crow_indices(), x.values()
    row = torch.repeat_interleave(crow.diff(), output_size=values.numel())
    sums = values.new_zeros(x.shape[0]).index_add_(0, row, values)
    values = values / torch.where(sums == 0, 1.0, sums)[row]
    return csr_tensor(crow, x.col_indices(), values, (x.shape[0], x.shape[1]))
