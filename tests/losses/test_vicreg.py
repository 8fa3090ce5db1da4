"""VICReg against NumPy's covariance matrix, and its zero."""

import numpy as np
import pytest
import torch

from gcl.losses.vicreg import VICReg
from gcl.testing import check_loss


def white(n=40, d=6, scale=1.5):
    """Centred columns without correlation, of standard deviation `scale` by n - 1."""
    z = torch.randn(n, d, dtype=torch.float64, generator=torch.manual_seed(0))
    return torch.linalg.qr(z - z.mean(0))[0] * (n - 1) ** 0.5 * scale


@pytest.mark.parametrize("weights", [(25, 25, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0.04)])
@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_value_from_numpy_cov(weights, gamma):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), 1.2 * rng.normal(size=(50, 4))
    sim, var, cov = weights
    expected = sim * np.mean((a - b) ** 2)
    for z in (a, b):
        matrix = np.cov(z, rowvar=False)
        for i in range(4):
            expected += var * max(0, gamma - (matrix[i, i] + 1e-4) ** 0.5) / 4 / 2
            expected += cov * sum(matrix[i, j] ** 2 for j in range(4) if j != i) / 4
    value = VICReg(*weights, gamma=gamma)(torch.from_numpy(a), torch.from_numpy(b))
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_zero_for_equal_decorrelated_wide_views():
    z = white()
    assert VICReg()(z, z).item() == pytest.approx(0, abs=1e-20)
    # Too narrow: only the variance is left, 25 (1 - std).
    assert VICReg(eps=1e-12)(z / 3, z / 3).item() == pytest.approx(25 * 0.5, rel=1e-9)
    # Shifted: only the invariance, 25 * 0.3^2; the mean of a column is free.
    assert VICReg()(z, z + 0.3).item() == pytest.approx(25 * 0.09, rel=1e-9)


def test_collapse_costs_the_variance_and_has_a_finite_gradient():
    z = torch.ones(10, 3, requires_grad=True)
    value = VICReg()(z, z)
    value.backward()
    assert value.item() == pytest.approx(25 * (1 - 0.01))  # sqrt(eps) = 0.01
    assert z.grad.isfinite().all()


def test_gradcheck():
    z1, z2 = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    assert torch.autograd.gradcheck(VICReg(), (z1.requires_grad_(), z2.requires_grad_()))


def test_contract():
    check_loss(VICReg(), min_rows=2)
    check_loss(VICReg(1, 1, 0.04), min_rows=2)


def test_autocast_keeps_float32():
    z1, z2 = torch.randn(2, 30, 4, generator=torch.manual_seed(0))
    expected = VICReg(1, 1, 9)(z1.double(), z2.double()).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert VICReg(1, 1, 9)(z1, z2).item() == pytest.approx(expected, rel=1e-5)
    assert VICReg()(z1.bfloat16(), z2.bfloat16()).dtype == torch.float32


def test_bad_input():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        VICReg()(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match="var must be a number of at least 0, got -1"):
        VICReg(var=-1)
    with pytest.raises(ValueError, match="eps must be a number above 0"):
        VICReg(eps=0)
