"""Alignment and uniformity against SciPy, closed forms and gradient checks."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from gcl.losses.alignment_uniformity import AlignmentUniformity, alignment, uniformity
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def parts(z1, z2, t, alpha):
    u, v = (z.numpy() / np.linalg.norm(z.numpy(), axis=1, keepdims=True) for z in (z1, z2))
    align = np.mean(np.linalg.norm(u - v, axis=1) ** alpha)
    spread = [np.log(np.mean(np.exp(-t * pdist(z, "sqeuclidean")))) for z in (u, v)]
    off = ~np.eye(len(u), dtype=bool)
    cross = np.log(np.mean(np.exp(-t * cdist(u, v, "sqeuclidean")[off])))
    return align, spread, cross


@pytest.mark.parametrize(("t", "alpha"), [(2.0, 2.0), (0.5, 1.0), (3.0, 0.5)])
def test_scipy(t, alpha, implementation):
    z1, z2 = views()
    align, spread, cross = parts(z1, z2, t, alpha)
    loss = AlignmentUniformity(
        t, alpha, align_weight=0.3, uniform_weight=0.7, cross_weight=0.5,
    )  # fmt: skip
    expected = 0.3 * align + 0.7 * sum(spread) / 2 + 0.5 * cross
    assert loss(z1, z2).item() == pytest.approx(expected, rel=1e-9)
    assert alignment(z1, z2, alpha).item() == pytest.approx(align, rel=1e-12)
    assert [uniformity(z, t).item() for z in (z1, z2)] == pytest.approx(spread, rel=1e-9)
    inputs = [z.requires_grad_() for z in (z1, z2)]
    assert torch.autograd.gradcheck(loss, inputs)


def test_closed_forms():
    z = torch.eye(12, 16, dtype=torch.float64)
    assert alignment(z, 3 * z).item() == 0
    assert uniformity(z).item() == pytest.approx(-4, rel=1e-12)
    assert uniformity(torch.ones(5, 3)).item() == pytest.approx(0, abs=1e-5)
    assert AlignmentUniformity()(z, z).item() == pytest.approx(-4, rel=1e-12)
    # distance 0 across i = j, 2 everywhere else
    crossed = AlignmentUniformity(uniform_weight=0.0, cross_weight=2.0)(z, z)
    assert crossed.item() == pytest.approx(-8, rel=1e-12)
    # a zero row has distance 1 to the others
    z[0] = 0
    mean = (22 * math.exp(-2) + 110 * math.exp(-4)) / 132
    assert uniformity(z).item() == pytest.approx(math.log(mean), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_equal_views_pass_finite_gradients(alpha):
    z = torch.randn(6, 3, requires_grad=True)
    alignment(z, z.detach(), alpha).backward()
    assert z.grad.abs().max() == 0


@pytest.mark.parametrize("options", [{}, {"cross_weight": 1.0}])
def test_contract(options, implementation):
    check_loss(AlignmentUniformity(**options))


def test_one_row():
    z = torch.ones(1, 3, requires_grad=True)
    with pytest.warns(UserWarning, match="no pairs"):
        assert AlignmentUniformity()(z, z).item() == 0
    assert AlignmentUniformity()(z[:0], z[:0]).requires_grad
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        uniformity(z)
    assert alignment(z[:0], z[:0]).item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="t must be a number above 0"):
        AlignmentUniformity(0)
    with pytest.raises(ValueError, match="cross_weight must be a number of at least 0"):
        AlignmentUniformity(cross_weight=-1.0)
    with pytest.raises(ValueError, match="alpha must be a number above 0"):
        alignment(torch.ones(2, 2), torch.ones(2, 2), 0)
    with pytest.raises(TypeError, match="floating-point"):
        uniformity(torch.ones(3, 2).long())
