"""Decoupled uniformity against plain loops, SciPy and a dense inverse."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from gcl.losses.alignment_uniformity import uniformity
from gcl.losses.decoupled_uniformity import DecoupledUniformity
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5, count=3):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(count)]


def loop(*views, t):
    rows = [[row.tolist() for row in z] for z in views]
    rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]
    means = [[sum(x) / len(x) for x in zip(*same, strict=True)] for same in zip(*rows, strict=True)]
    n = len(means)
    terms = [
        math.exp(-t * math.dist(means[i], means[j]) ** 2)
        for i in range(n)
        for j in range(n)
        if i != j
    ]
    return math.log(sum(terms) / len(terms))


@pytest.mark.parametrize(("count", "t"), [(2, 1.0), (3, 2.5)])
def test_loops_and_gradient(count, t, implementation):
    z = [x.requires_grad_() for x in views(count=count)]
    loss = DecoupledUniformity(t)
    assert loss(*z).item() == pytest.approx(loop(*z, t=t), rel=1e-9)
    assert torch.autograd.gradcheck(loss, z)


def test_equal_views_give_the_uniformity_of_one():
    z = views()[0]
    assert torch.isclose(DecoupledUniformity(2.0)(z, z), uniformity(z, 2.0), rtol=1e-12)
    eye = torch.eye(12, 16, dtype=torch.float64)
    assert DecoupledUniformity()(eye, eye).item() == pytest.approx(-2, rel=1e-12)
    # Opposite views cancel: all means are 0.
    assert DecoupledUniformity()(eye, -eye).item() == pytest.approx(0, abs=1e-12)


def test_smoothing_is_the_inverse_of_the_laplacian():
    z1, z2 = views(7, count=2)
    edges = torch.tensor([[0, 1, 1, 2, 2, 3, 4, 5], [1, 0, 2, 1, 3, 2, 5, 4]])  # 6 is isolated
    adjacency = np.eye(7)
    adjacency[edges[0], edges[1]] = 1
    root = np.diag(adjacency.sum(1) ** -0.5)
    laplacian = np.eye(7) - root @ adjacency @ root
    mean = sum(z.numpy() / np.linalg.norm(z.numpy(), axis=1, keepdims=True) for z in (z1, z2)) / 2
    smooth = np.linalg.solve(np.eye(7) + 0.5 * laplacian, mean)
    expected = np.log(np.mean(np.exp(-pdist(smooth, "sqeuclidean"))))
    loss = DecoupledUniformity(smoothing=0.5, steps=40)
    assert loss(z1, z2, edge_index=edges).item() == pytest.approx(expected, rel=1e-7)
    assert loss(z1, z2, edge_index=edges) > DecoupledUniformity()(z1, z2)
    assert torch.autograd.gradcheck(
        lambda *z: loss(*z, edge_index=edges), [z.requires_grad_() for z in (z1, z2)]
    )


def test_contract(implementation):
    check_loss(DecoupledUniformity())


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no pairs"):
        assert DecoupledUniformity()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert DecoupledUniformity()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="at least 2 views, got 1"):
        DecoupledUniformity()(z)
    with pytest.raises(ValueError, match="go together"):
        DecoupledUniformity(smoothing=1.0)(z, z)
    with pytest.raises(ValueError, match="go together"):
        DecoupledUniformity()(z, z, edge_index=torch.tensor([[0], [1]]))
    with pytest.raises(ValueError, match="smoothing must be a number of at least 0"):
        DecoupledUniformity(smoothing=-1.0)
