from __future__ import annotations

from math import sqrt

import pytest
import torch
from scipy import stats
from torch_geometric.data import Data

from gcl.augment import FeatureNoise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_normal(dtype: torch.dtype) -> None:
    x = torch.rand(200, 50, dtype=dtype)
    torch.manual_seed(0)
    out = FeatureNoise(std=0.3)(Data(x=x)).x
    assert out.dtype == dtype
    assert stats.kstest((out - x).view(-1).double().numpy(), "norm", (0, 0.3)).pvalue > 1e-3


def test_rows_with_probability_p() -> None:
    x = torch.zeros(4000, 3)
    torch.manual_seed(0)
    noisy = FeatureNoise(p=0.25)(Data(x=x)).x != 0
    assert torch.equal(noisy.any(1), noisy.all(1))
    assert abs(int(noisy.any(1).sum()) - 1000) < 4 * sqrt(4000 * 0.25 * 0.75)


def test_replaced_rows_are_those_of_graphcl() -> None:
    x = torch.full((3000, 4), 7.0)
    torch.manual_seed(0)
    out = FeatureNoise(std=0.5, p=0.1, mean=0.5, replace=True)(Data(x=x)).x
    masked = (out != 7).any(1)
    assert abs(int(masked.sum()) - 300) < 4 * sqrt(3000 * 0.1 * 0.9)
    assert stats.kstest(out[masked].view(-1).double().numpy(), "norm", (0.5, 0.5)).pvalue > 1e-3
    assert bool((x == 7).all())


def test_mean_is_added_and_zero_noise_masks() -> None:
    data = Data(x=torch.ones(2, 3))
    assert bool((FeatureNoise(std=0, mean=2)(data).x == 3).all())
    assert bool((FeatureNoise(std=0, replace=True)(data).x == 0).all())
    assert FeatureNoise(std=0)(data).x is data.x


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"x\.to_dense"):
        FeatureNoise()(Data(x=torch.eye(2).to_sparse_csr()))
    with pytest.raises(TypeError, match="floating point"):
        FeatureNoise()(Data(x=torch.ones(2, 2).long()))
    with pytest.raises(ValueError, match="std must be at least 0, got -1"):
        FeatureNoise(std=-1)
    with pytest.raises(ValueError, match="std must be finite"):
        FeatureNoise(std=float("inf"))
    with pytest.raises(ValueError, match="mean must be finite"):
        FeatureNoise(mean=float("nan"))
    with pytest.raises(TypeError, match="std must be a number"):
        FeatureNoise(std="big")  # type: ignore[arg-type]
