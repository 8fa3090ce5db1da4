"""Features propagated over the graph, with no training, as a recipe: what training must beat."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch_geometric.data import Data

from gcl.contracts import Method
from gcl.ops.propagation import gcn_adjacency
from gcl.transforms import NormalizeRows


def propagated(data: Data, *, hops: int = 2, residual: float = 0.05) -> Method:
    """SSGC: (1 - residual) mean_{k = 1..hops} S^k X + residual X; to be trained for 0 epochs."""
    return _Propagated(hops, residual)


class _Propagated(Method):
    def __init__(self, hops: int, residual: float):
        super().__init__()
        self.hops, self.residual = hops, residual
        self.unused = torch.nn.Parameter(torch.zeros(()))  # an optimizer asks for one

    def prepare(self, data: Data) -> Data:
        data = NormalizeRows()(copy.copy(data))
        x = (data.x if data.x.layout == torch.strided else data.x.to_dense()).float()
        adjacency = gcn_adjacency(data.edge_index, data.get("edge_weight"), len(x), x.dtype)
        total, hop = torch.zeros_like(x), x
        for _ in range(self.hops):
            hop = adjacency @ hop
            total += hop
        data.x = (1 - self.residual) / self.hops * total + self.residual * x
        return data

    def loss(self, data: Data) -> Tensor:
        return self.unused.square()

    def embed(self, data: Data) -> Tensor:
        return data.x
