"""Rows of features divided by their sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.graphs.kinds import check_graph
from gcl.ops.sparse import csr_tensor


class NormalizeRows(BaseTransform):
    """Divides every row of the features by its sum, for every node type that has some.

        x_if -> x_if / sum_f |x_if|

    Rows of zeros stay. Where no feature is negative this is what papers call row normalisation;
    PyG's `NormalizeFeatures` takes no sparse features, shifts the smallest one of the graph to 0
    first, and leaves sums below 1 as they are.

    Args:
        sparse_only: leave dense features alone.

    Shape:
        x `[n, f]` -> the same, sparse ones of any layout as CSR; whole numbers as floating-point.

    Raises:
        ValueError: x is no matrix.

    Reference:
        scikit-learn's `normalize(x, norm="l1")`.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.tensor([[1.0, 3.0], [0.0, 0.0]]).to_sparse_csr())
        >>> NormalizeRows()(data).x.values()
        tensor([0.2500, 0.7500])
    """

    of_rows = True  # the same on a batch as on the whole graph

    def __init__(self, sparse_only: bool = False):
        self.sparse_only = sparse_only

    def forward(self, data: Any) -> Any:
        check_graph("NormalizeRows", data)
        for store in data.node_stores:
            x = store.get("x")
            if not isinstance(x, Tensor):
                continue
            if x.layout != torch.strided:
                store["x"] = _sparse(x.to_sparse_csr())
            elif not self.sparse_only:
                if x.dim() != 2:
                    raise ValueError(f"NormalizeRows: x must be [n, f], got {list(x.shape)}.")
                x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
                wide = torch.promote_types(x.dtype, torch.float32)  # half precision overflows
                sums = x.abs().sum(-1, keepdim=True, dtype=wide)
                store["x"] = (x / _divisor(sums)).to(x.dtype)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'sparse_only=True' if self.sparse_only else ''})"


def _divisor(sums: Tensor) -> Tensor:
    return torch.where(sums == 0, 1.0, sums)


def _sparse(x: Tensor) -> Tensor:
    crow, values = x.crow_indices(), x.values()
    values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
    row = torch.repeat_interleave(crow.diff(), output_size=values.numel())
    sums = values.new_zeros(x.shape[0]).index_add_(0, row, values.abs())
    values = values / _divisor(sums)[row]
    return csr_tensor(crow, x.col_indices(), values, (x.shape[0], x.shape[1]))
