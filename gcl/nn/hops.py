"""Powers of the normalised adjacency: what neighbours k hops away add to an embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gcl.graphs.encoding import known_degree
from gcl.graphs.kinds import check_one_type
from gcl.ops.propagation import gcn_adjacency, product


def propagate(z: Tensor, data: Any, hops: int) -> Tensor:
    """`A_hat^k z` with `A_hat = D^-1/2 (A + I) D^-1/2`, in k sparse products.

    Args:
        z: one row a node.
        data: its edge_index and, where there are such, edge_weight and degree.
        hops: k, >= 0.

    Shape:
        z `[n, d]` -> `[n, d]`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pair = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> propagate(torch.tensor([[1.0], [0.0]]), pair, 3)
        tensor([[0.5000],
                [0.5000]])
    """
    if hops:
        check_one_type("propagate", data)
        weight, degree = data.get("edge_weight"), known_degree(data, z.shape[0])
        adjacency = gcn_adjacency(data.edge_index, weight, z.shape[0], z.dtype, degree)
        for _ in range(hops):
            z = product(adjacency, z)
    return z


def add_hops(z: Tensor, data: Any, hops: int) -> Tensor:
    """`z + A_hat^k z`, or z alone for k = 0 (and not twice z)."""
    return z + propagate(z, data, hops) if hops else z
