"""Standardised columns and their correlation against NumPy."""

import numpy as np
import pytest
import torch

from gcl.ops.columns import correlation, mean_row, standard_views, standardize


def views(n=20, d=4):
    generator = torch.Generator().manual_seed(0)
    return [3 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 1 for _ in range(2)]


def test_correlation_is_that_of_numpy():
    z1, z2 = views()
    a, b = standard_views("L", z1, z2, 0.0)
    expected = np.corrcoef(z1.numpy(), z2.numpy(), rowvar=False)[:4, 4:]
    assert np.allclose(correlation(a, b).numpy(), expected, atol=1e-12)


def test_columns_of_mean_0_and_deviation_1():
    z, _ = views()
    expected = (z.numpy() - z.numpy().mean(0)) / (z.numpy().std(0) + 1e-3)
    assert np.allclose(standardize(z, 1e-3).numpy(), expected, atol=1e-12)
    assert np.allclose(mean_row(z).numpy(), z.numpy().mean(0), atol=1e-12)


def test_constant_and_endless_columns():
    z = views()[0].float()
    z[:, 1] = 2.0
    z[0, 2] = 1e30
    found = standardize(z, 1e-5)
    assert (found[:, 1] == 0).all()
    assert found[:, 2].isnan().all()
    assert found[:, [0, 3]].isfinite().all()


def test_two_types_meet_in_the_wider_one():
    z1, z2 = views()
    a, b = standard_views("L", z1.half(), z2, 0.0)
    assert a.dtype == b.dtype == torch.float64
    assert standard_views("L", z1.half(), z2.half(), 0.0)[0].dtype == torch.float32


def test_one_row_has_no_variance():
    with pytest.raises(ValueError, match="L: expected at least 2 rows, got 1"):
        standard_views("L", torch.ones(1, 3), torch.ones(1, 3), 1e-5)
