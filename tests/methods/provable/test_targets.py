"""Directions of nodes, from their definition."""

import torch

from gcl.methods.provable.targets import target_directions


def test_target_directions_are_positive_minus_mean_negative():
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = [row / row.norm() for row in z]
    for i, w in enumerate(target_directions(z)):
        negatives = torch.stack([u[j] for j in range(5) if j != i])
        assert torch.allclose(w, u[i] - negatives.mean(0))
    alone = torch.ones(1, 3, requires_grad=True)
    assert target_directions(alone).tolist() == [[0, 0, 0]]
    target_directions(alone).sum().backward()
    assert alone.grad.tolist() == [[0, 0, 0]]
