"""Sinkhorn codes against the plain iteration in float64 and against their marginals."""

import math

import numpy as np
import pytest
import torch

from gcl.ops.sinkhorn import sinkhorn


def scores(n=14, k=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, k, generator=generator, dtype=torch.float64) * 2 - 1


def plain(a, eps, iterations):
    """The published iteration: exponentials, one factor a row and a column."""
    q = np.exp(a.numpy() / eps)
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(0, keepdims=True) * q.shape[1]
        q /= q.sum(1, keepdims=True) * q.shape[0]
    return torch.from_numpy(q * q.shape[0])


@pytest.mark.parametrize("iterations", [1, 3, 50])
@pytest.mark.parametrize("eps", [0.03, 0.05, 1.0])
def test_plain_iteration(eps, iterations):
    a = scores()
    assert torch.allclose(sinkhorn(a, eps, iterations), plain(a, eps, iterations), atol=1e-12)


def test_marginals():
    codes = sinkhorn(scores(), eps=0.1, iterations=500)
    assert torch.allclose(codes.sum(1), torch.ones(14, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(codes.sum(0), torch.full((4,), 14 / 4, dtype=torch.float64), atol=1e-8)
    few = sinkhorn(scores(), eps=0.1, iterations=1)
    assert torch.allclose(few.sum(1), torch.ones(14, dtype=torch.float64), atol=1e-12)
    assert (few.sum(0) - 14 / 4).abs().max() > 1e-3  # the shares are a limit only


def test_two_by_two_by_hand():
    # Both marginals are even, so Q = [[p, 1-p], [1-p, p]] with (p / (1-p))^2 = e^{(a-b-c+d)/eps}.
    a = torch.tensor([[1.0, 0.9], [0.9, 0.0]], dtype=torch.float64)
    odds = math.exp((1.0 - 0.9 - 0.9 + 0.0) / 0.1 / 2)
    codes = sinkhorn(a, eps=0.1, iterations=500)
    assert codes[0, 0].item() == pytest.approx(odds / (1 + odds), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_small_eps_is_finite(dtype):
    codes = sinkhorn(scores(200, 7).to(dtype), eps=0.001, iterations=30)
    assert codes.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert codes.isfinite().all()
    assert torch.allclose(codes.sum(1), torch.ones_like(codes[:, 0]), atol=1e-5)


def test_small_eps_finds_the_best_matching():
    from scipy.optimize import linear_sum_assignment

    a = scores(6, 6)
    codes = sinkhorn(a, eps=0.005, iterations=2000)
    _, best = linear_sum_assignment(-a.numpy())
    assert codes.argmax(1).tolist() == best.tolist()


def test_no_gradient_and_input_untouched():
    a = scores().requires_grad_()
    before = a.detach().clone()
    assert not sinkhorn(a).requires_grad
    assert torch.equal(a, before)


def test_odd_shapes():
    assert sinkhorn(torch.zeros(0, 3)).shape == (0, 3)
    assert torch.allclose(sinkhorn(torch.tensor([[0.3, -2.0]])), torch.full((1, 2), 0.5))
    assert torch.equal(sinkhorn(torch.rand(3, 1)), torch.ones(3, 1))


def test_bad_input():
    with pytest.raises(ValueError, match="eps must be a number above 0"):
        sinkhorn(torch.zeros(2, 2), eps=0)
    with pytest.raises(ValueError, match="iterations must be at least 1"):
        sinkhorn(torch.zeros(2, 2), iterations=0)
    with pytest.raises(ValueError, match="at least one column"):
        sinkhorn(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="expected matrices"):
        sinkhorn(torch.zeros(2))
    with pytest.raises(TypeError, match="floating-point"):
        sinkhorn(torch.zeros(2, 2, dtype=torch.long))
