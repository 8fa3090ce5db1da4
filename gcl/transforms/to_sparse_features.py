"""Bag-of-words features as a sparse matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_fraction
from gcl.graphs.kinds import check_graph
from gcl.ops.sparse import csr_tensor


class ToSparseFeatures(BaseTransform):
    """Stores features that are mostly zero as a sparse CSR matrix.

    `x -> CSR(x)  if  nnz(x) < max_density * x.numel()`

    Every node type is judged on its own. Features denser than the limit or without entries stay as
    they are; sparse ones of another layout become CSR. The first layer of an encoder is then a
    sparse product: on Cora (1.3 % non-zero) many times faster and a fraction of the memory.

    What PyG does by slicing rows (`data.subgraph`, `RandomNodeLoader`), `copy.deepcopy` and
    `NormalizeFeatures` do not take CSR features: use those before, or `NormalizeRows`.

    Args:
        max_density: the share of non-zero entries from which features stay dense, in [0, 1].

    Shape:
        x `[n, f]` dense -> `[n, f]` sparse CSR with int64 indices and the dtype of x.

    Raises:
        ValueError: if max_density is outside [0, 1].

    Example:
        >>> from torch_geometric.data import Data
        >>> data = ToSparseFeatures(max_density=0.5)(Data(x=torch.eye(4)))
        >>> data.x.layout, data.num_nodes, data.num_features
        (torch.sparse_csr, 4, 4)
    """

    of_rows = True  # the same on a batch as on the whole graph
    keeps_values = True  # only stores them otherwise

    def __init__(self, max_density: float = 0.1):
        check_fraction("ToSparseFeatures", max_density=max_density)
        self.max_density = max_density

    def forward(self, data: Any) -> Any:
        check_graph("ToSparseFeatures", data)
        for store in data.node_stores:
            x = store.get("x")
            if isinstance(x, Tensor) and x.layout not in (torch.strided, torch.sparse_csr):
                store["x"] = x = x.to_sparse_csr()
            is_dense = isinstance(x, Tensor) and x.layout == torch.strided and x.dim() == 2
            # NaN counts as an entry, so that nothing is lost.
            if is_dense and int(x.count_nonzero()) < self.max_density * x.numel():
                store["x"] = _to_csr(x)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(max_density={self.max_density})"


def _to_csr(x: Tensor) -> Tensor:
    row, col = x.nonzero(as_tuple=True)
    counts = torch.bincount(row, minlength=x.size(0))
    crow = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return csr_tensor(crow, col.contiguous(), x[row, col], (x.size(0), x.size(1)))
