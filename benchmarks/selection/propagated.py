"""Features propagated over the graph, with no training, as a recipe: what training must beat."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from gcl.contracts import Method
from gcl.transforms import AddPropagated, NormalizeRows


def propagated(
    data: Data,
    *,
    hops: int = 2,
    residual: float = 0.05,
    keep: Literal["mean", "last", "concat"] = "mean",
    normalize: bool = True,
) -> Method:
    """What `AddPropagated` makes of the features; to be trained for 0 epochs."""
    return _Propagated(AddPropagated(hops, keep, residual), normalize)


class _Propagated(Method):
    def __init__(self, propagate: AddPropagated, normalize: bool):
        super().__init__()
        self.propagate, self.normalize = propagate, normalize
        self.unused = torch.nn.Parameter(torch.zeros(()))  # an optimizer asks for one

    def prepare(self, data: Data) -> Data:
        data = copy.copy(data)
        return self.propagate(NormalizeRows()(data) if self.normalize else data)

    def loss(self, data: Data) -> Tensor:
        return self.unused.square()

    def embed(self, data: Data) -> Tensor:
        return data.x
