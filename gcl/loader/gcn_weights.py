"""Finished weights of a GCN on a batch, for encoders that know nothing of degrees."""

from __future__ import annotations

from typing import Any

import torch


def write_gcn_weights(batch: Any) -> None:
    r"""Gives a batch the edges of `S = D^-1/2 (A + I) D^-1/2`, D that of the whole graph.

    With d the degrees that the batch brings and w its weights,

        S_vu = w_uv / sqrt((d_u + 1)(d_v + 1)),    S_vv = w_vv / (d_v + 1)

    with 1 for w_vv where the batch has no loop of v. Every node has one loop, after all other
    edges. `degree` and `e_id` are taken out: the edges are
    finished, and loops are no edges of the graph.

    Shape:
        edge_index `[2, e]` -> `[2, e' + n]`, edge_weight `[e' + n]`, e' edges that are no loops.

    Example:
        >>> from torch_geometric.data import Data
        >>> pair = torch.tensor([[0, 1], [1, 0]])
        >>> batch = Data(edge_index=pair, degree=torch.ones(2), num_nodes=2)
        >>> write_gcn_weights(batch)
        >>> batch.edge_index.tolist(), batch.edge_weight
        ([[0, 1, 0, 1], [1, 0, 0, 1]], tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    """
    scale = (batch.degree + 1).rsqrt()
    source, target = batch.edge_index
    weight = batch.get("edge_weight")
    loops = torch.ones_like(scale)
    own = (source == target).nonzero().view(-1)
    if weight is not None and len(own):
        place = torch.zeros(len(scale), dtype=torch.long)
        last = place.scatter_reduce(0, target[own], own, "amax")[target[own]]
        loops[target[own]] = torch.where(weight[last] != 0, weight[last], 1.0).to(loops.dtype)
    other = (source != target).nonzero().view(-1)
    source, target = source[other], target[other]
    value = scale[source] * scale[target]
    if weight is not None:
        value = value * weight[other]
    loop = torch.arange(len(scale))
    batch.edge_index = torch.stack([torch.cat([source, loop]), torch.cat([target, loop])])
    batch.edge_weight = torch.cat([value, (loops * scale.square()).to(value.dtype)])
    for name in ("degree", "e_id"):
        if name in batch:
            del batch[name]
