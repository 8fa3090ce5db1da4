"""Sketches keep inner products on average, and their gradients are those of P itself."""

import pytest
import torch

from gcl.ops.sketches import ENTRIES, gaussian_sketch, sign_sketch


def recover(sketch, n, k):
    """The matrix P that the next call draws."""
    return sketch(torch.eye(n, dtype=torch.float64), k)


SKETCHES = [gaussian_sketch, lambda z, k: sign_sketch(z, k, 0.1), lambda z, k: sign_sketch(z, k)]


@pytest.mark.parametrize("sketch", SKETCHES)
def test_inner_products_of_columns_are_right_on_average(sketch):
    torch.manual_seed(0)
    z = torch.randn(12, 3, dtype=torch.float64)
    grams = torch.stack([(y := sketch(z, 20)).t() @ y for _ in range(3000)])
    error = grams.std(0) / 3000**0.5
    assert ((grams.mean(0) - z.t() @ z).abs() < 4.5 * error).all()
    assert (error < 0.5).all()


def test_entries_are_what_they_are_called():
    torch.manual_seed(0)
    p = recover(gaussian_sketch, 200, 50)
    assert abs(float(p.mean())) < 5 * (1 / 50 / p.numel()) ** 0.5
    assert float(p.square().mean()) * 50 == pytest.approx(1, abs=0.06)
    p = recover(lambda z, k: sign_sketch(z, k, 0.1), 200, 50)
    assert p.shape == (50, 200)
    assert set((p * 5**0.5).round(decimals=6).abs().unique().tolist()) <= {0.0, 1, 2, 3}
    assert ((p != 0).sum(0) <= 5).all()
    assert float((p != 0).double().mean()) > 0.08


@pytest.mark.parametrize("sketch", SKETCHES)
def test_gradient_is_the_transpose(sketch):
    z = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    p = recover(sketch, 9, 6)
    torch.manual_seed(3)
    y = sketch(z, 6)
    assert torch.allclose(y, p @ z)
    grad = torch.randn(6, 4, dtype=torch.float64)
    (found,) = torch.autograd.grad(y, z, grad)
    assert torch.allclose(found, p.t() @ grad)


def test_blocks_are_drawn_the_same_in_both_passes(monkeypatch):
    monkeypatch.setattr("gcl.ops.sketches.ENTRIES", 7)
    z = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    p = recover(gaussian_sketch, 9, 3)
    torch.manual_seed(3)
    (found,) = torch.autograd.grad(gaussian_sketch(z, 3).sum(), z)
    assert torch.allclose(found, p.sum(0)[:, None].expand(9, 4))
    assert ENTRIES > 7


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1"):
        gaussian_sketch(torch.ones(2, 2), 0)
    with pytest.raises(ValueError, match="density must lie"):
        sign_sketch(torch.ones(2, 2), 1, 0.0)
    with pytest.raises(TypeError, match="floating-point"):
        sign_sketch(torch.ones(2, 2).long(), 1)
