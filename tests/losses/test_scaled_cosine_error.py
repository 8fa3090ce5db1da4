"""The scaled cosine error against a loop in plain Python."""

import math

import pytest
import torch

from gcl.losses.scaled_cosine_error import ScaledCosineError


def loop(a, b, gamma):
    values = []
    for p, q in zip(a.tolist(), b.tolist(), strict=True):
        dot = math.fsum(x * y for x, y in zip(p, q, strict=True))
        values.append((1 - dot / math.hypot(*p) / math.hypot(*q)) ** gamma)
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 3.0])
def test_loop_and_gradient(gamma):
    a, b = (torch.randn(7, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    loss = ScaledCosineError(gamma)
    assert loss(a, b).item() == pytest.approx(loop(a, b, gamma), rel=1e-12)
    assert torch.autograd.gradcheck(loss, (a, b))


def test_rows_that_agree_or_are_empty():
    a = torch.randn(50, 3, requires_grad=True)
    value = ScaledCosineError(1.5)(a, 2 * a.detach())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-9)
    assert a.grad.isfinite().all()
    assert ScaledCosineError()(torch.zeros(2, 3), torch.ones(2, 3)).item() == 1
    assert ScaledCosineError()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="ScaledCosineError: gamma must be at least 1, got 0"):
        ScaledCosineError(0.5)
    with pytest.raises(ValueError, match="ScaledCosineError: expected two matrices of one shape"):
        ScaledCosineError()(torch.ones(2, 3), torch.ones(2, 4))
