"""The contracts of the package: four callables and one class (`gcl.methods.Method`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from torch import Tensor
from torch_geometric.data import Data, HeteroData

Graph: TypeAlias = Data | HeteroData
"""One graph or a batch of graphs; a `torch_geometric.data.Batch` is a `Data`."""

Transform: TypeAlias = Callable[[Any], Any]
"""Graph -> Graph: any PyG transform, or a plain function. The input is never changed."""

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two `[n, d]` matrices whose rows i belong together -> a scalar to minimise."""

Readout: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""`(z [n, d], batch [n], num_graphs)` -> `[num_graphs, d]`, e.g. PyG's `global_add_pool`."""


class Encoder(Protocol):
    """What turns features and edges into node embeddings; PyG's `GCN`, `GIN`, `GAT` are encoders.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]` or None -> `[n, out_channels]`.
    """

    out_channels: int

    def __call__(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor: ...
