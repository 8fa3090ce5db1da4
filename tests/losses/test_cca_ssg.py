"""CCA-SSG against NumPy's correlation matrix and its minimum."""

import numpy as np
import pytest
import torch

from gcl.losses.cca_ssg import CCASSG
from gcl.testing import check_loss


@pytest.mark.parametrize("lam", [1e-3, 0.7])
def test_value_from_numpy_corrcoef(lam):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(50, 4))
    both = np.corrcoef(a, b, rowvar=False)
    expected = -sum(both[i, 4 + i] for i in range(4))
    for block in (both[:4, :4], both[4:, 4:]):
        expected += lam * sum(((i == j) - block[i, j]) ** 2 for i in range(4) for j in range(4))
    value = CCASSG(lam, eps=0)(torch.from_numpy(a), torch.from_numpy(b))
    assert value.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("d", [1, 6])
def test_white_identical_views_reach_minus_d(d):
    z = torch.randn(40, d, dtype=torch.float64, generator=torch.manual_seed(0))
    z = torch.linalg.qr(z - z.mean(0))[0]
    assert CCASSG(eps=0)(z, 3 * z + 2).item() == pytest.approx(-d, rel=1e-12)
    assert CCASSG(eps=0)(z, -z).item() == pytest.approx(d, rel=1e-12)


def test_constant_column_counts_zero():
    z = torch.randn(40, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    z = torch.linalg.qr(z - z.mean(0))[0]
    z[:, 1] = 2.0
    z.requires_grad_()
    value = CCASSG(0.01, eps=0)(z, z)
    value.backward()
    # No agreement from the dead column, and (1 - 0)^2 of decorrelation from each view.
    assert value.item() == pytest.approx(-3 + 0.01 * 2, rel=1e-12)
    assert z.grad.isfinite().all()


def test_gradcheck():
    z1, z2 = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    assert torch.autograd.gradcheck(CCASSG(0.3), (z1.requires_grad_(), z2.requires_grad_()))


def test_contract():
    check_loss(CCASSG(), min_rows=2)
    check_loss(CCASSG(0.1), min_rows=2)


def test_autocast_and_half_precision():
    z1, z2 = torch.randn(2, 30, 4, generator=torch.manual_seed(0))
    expected = CCASSG(1.0)(z1.double(), z2.double()).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert CCASSG(1.0)(z1, z2).item() == pytest.approx(expected, rel=1e-5)
    assert CCASSG()(z1.bfloat16(), z2.bfloat16()).dtype == torch.float32


def test_bad_input():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        CCASSG()(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match="lam must be a number above 0"):
        CCASSG(0)
