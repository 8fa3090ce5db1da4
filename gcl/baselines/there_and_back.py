"""Propagation among the nodes of one type, through the nodes of every type beside it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import HeteroData


def there_and_back(data: HeteroData, target: str, hops: int) -> list[Tensor]:
    r"""Features of one node type averaged along meta-paths of length two, again and again.

    `A_t` says which nodes of the type have an edge, in either direction, with which nodes of type
    t. With R_t and C_t the sums of its rows and columns,

        S = mean over t of  R_t^-1/2 A_t C_t^-1 A_t' R_t^-1/2  + (1 where R_t is 0)

    a step to a neighbour and back, through every type as often as through another. S is symmetric
    with eigenvalues in [0, 1], as the square of a GCN's matrix.

    Args:
        data: a graph with features x of that type.
        target: the type.
        hops: K, >= 1.

    Shape:
        x `[n, f]`, dense or sparse -> K + 1 matrices `[n, f]`, from x to `S^K x`.

    Raises:
        ValueError: no edge type meets that type.

    Example:
        >>> data = HeteroData()
        >>> data["paper"].x = torch.eye(2)
        >>> data["author"].num_nodes = 1
        >>> data["paper", "by", "author"].edge_index = torch.tensor([[0, 1], [0, 0]])
        >>> there_and_back(data, "paper", 1)[1]
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    x = data[target].x
    x = (x if x.layout == torch.strided else x.to_dense()).cpu()
    steps = [_normalised(a) for a in _neighbours(data, target)]
    if not steps:
        raise ValueError(
            f"there_and_back: no edge type of the graph meets {target!r}, so nothing is propagated."
        )
    found = [x.numpy()]
    for _ in range(hops):
        z, total = found[-1], np.zeros_like(found[-1])
        for half, alone in steps:
            total += half @ (half.T @ z) + alone[:, None] * z
        found.append(total / len(steps))
    return [torch.from_numpy(z) for z in found]


def _neighbours(data: HeteroData, target: str) -> list[sp.csr_array]:
    """For every type beside the target, that is `[n, nodes of the type]` of zeros and ones."""
    found: dict[str, sp.csr_array] = {}
    for source, relation, end in data.edge_types:
        if target not in (source, end):
            continue
        pairs = data[source, relation, end].edge_index.cpu().numpy()
        here, there = pairs[::-1] if end == target else pairs
        other = source if end == target else end
        shape = data[target].num_nodes, data[other].num_nodes
        a = sp.coo_array((np.ones(len(here)), (here, there)), shape=shape).tocsr()
        found[other] = found[other] + a if other in found else a
    for a in found.values():
        a.data[:] = 1  # an edge may stand in both directions
    return list(found.values())


def _normalised(a: sp.csr_array) -> tuple[sp.csr_array, np.ndarray]:
    """`R^-1/2 A C^-1/2`, and 1 for every row that has no neighbour."""
    rows, columns = a.sum(1), a.sum(0)
    left = sp.diags_array(np.where(rows, 1 / np.sqrt(np.maximum(rows, 1)), 0))
    right = sp.diags_array(1 / np.sqrt(np.maximum(columns, 1)))
    half = (left @ a @ right).astype(np.float32).tocsr()
    return half, (rows == 0).astype(np.float32)
