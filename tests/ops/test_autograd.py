"""Backward passes by hand: right the first time, refused the second."""

import pytest
import torch

from gcl.ops.autograd import first_order_only


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @first_order_only
    def backward(ctx, grad):
        """Three times the square."""
        (x,) = ctx.saved_tensors
        return 3 * x.square() * grad


def leaf():
    return torch.linspace(-2, 2, 5, dtype=torch.float64, requires_grad=True)


def test_the_first_derivative_is_left_alone():
    assert torch.autograd.gradcheck(Cube.apply, leaf())
    x = leaf()
    Cube.apply(x).sum().backward()
    assert x.grad.tolist() == [12, 3, 0, 3, 12]


def test_create_graph_is_refused_though_the_incoming_gradient_is_a_constant():
    x = leaf()
    with pytest.raises(RuntimeError, match="written by hand and has no second derivative"):
        torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r'gcl\.ops\.tiling\(implementation="dense"\)'):
        Cube.apply(x).square().sum().backward(create_graph=True)


def test_a_refusal_leaves_no_trace():
    x = leaf()
    y = Cube.apply(x).sum()
    with pytest.raises(RuntimeError):
        torch.autograd.grad(y, x, create_graph=True, retain_graph=True)
    assert x.grad is None
    (found,) = torch.autograd.grad(y, x)
    assert found.tolist() == [12, 3, 0, 3, 12]


def test_the_wrapped_function_keeps_its_name():
    assert (Cube.backward.__name__, Cube.backward.__doc__) == (
        "backward",
        "Three times the square.",
    )
