"""The GCN that all views share."""

from __future__ import annotations

import pytest
import torch

from gcl.nn import MetaPathGCN, gcn_adjacency

EDGES = [torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([[0, 3], [3, 0]])]


def adjacencies():
    return [gcn_adjacency(edges, None, 5, torch.float64) for edges in EDGES]


@pytest.mark.parametrize("norm", ["global", "layer", "batch", None])
def test_equals_dense_matrices(norm):
    torch.manual_seed(0)
    gcn, h = MetaPathGCN(4, norm=norm).double(), torch.randn(5, 4, dtype=torch.float64)
    a = sum(x @ torch.eye(5, dtype=torch.float64) for x in adjacencies()) / 2
    u = a @ (h @ gcn.first)
    v = a @ (torch.where(u > 0, u, gcn.act.weight * u) @ gcn.second)
    axes = {"global": (0, 1), "layer": (1,), "batch": (0,)}
    if norm is not None:
        mean = v.mean(axes[norm], keepdim=True)
        v = (v - mean) / (v.var(axes[norm], correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(gcn(h, adjacencies()), v)


def test_bad_input():
    with pytest.raises(ValueError, match="norm must be one of"):
        MetaPathGCN(4, norm="graph")
