"""Barlow Twins against NumPy's correlation matrix and its fixed points."""

import numpy as np
import pytest
import torch

from gcl.losses import CCASSG, BarlowTwins
from gcl.testing import check_loss


@pytest.mark.parametrize("lam", [None, 5e-3])
def test_value_from_numpy_corrcoef(lam):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    cross = np.corrcoef(a, b, rowvar=False)[:4, 4:]
    weight = 1 / 4 if lam is None else lam
    expected = sum(
        (1 - cross[i, j]) ** 2 if i == j else weight * cross[i, j] ** 2
        for i in range(4)
        for j in range(4)
    )
    value = BarlowTwins(lam, eps=0)(torch.from_numpy(a), torch.from_numpy(b))
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_white_identical_views_are_the_minimum():
    z = torch.linalg.qr(torch.randn(40, 6, dtype=torch.float64, generator=torch.manual_seed(0)))[0]
    z = torch.linalg.qr(z - z.mean(0))[0] * 3
    assert BarlowTwins(eps=0)(z, z).item() == pytest.approx(0, abs=1e-20)


def test_constant_column_gives_no_nan():
    z = torch.randn(10, 3, generator=torch.manual_seed(0))
    z[:, 1] = 2.0
    z.requires_grad_()
    value = BarlowTwins()(z, z)
    value.backward()
    assert value.isfinite()
    assert value.item() >= 1  # a dead column cannot correlate with itself
    assert z.grad.isfinite().all()


def test_contract():
    check_loss(BarlowTwins(), min_rows=2, rows=(3, 17))


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="at least 2 rows"):
        BarlowTwins()(torch.ones(1, 3), torch.ones(1, 3))


@pytest.mark.parametrize("loss", [BarlowTwins(eps=0.0), CCASSG(eps=0.0)])
def test_columns_of_next_to_no_variance_count_as_constant(loss):
    z1, z2 = (torch.randn(5, 3, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    tiny = (1e-20 * z1).requires_grad_()
    value = loss(tiny, z2)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(tiny.grad).all()
