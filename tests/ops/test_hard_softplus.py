"""Softplus sums with weights, against a double loop and autograd with the weights held fixed."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from gcl.ops.hard_softplus import hard_softplus

F64 = torch.float64


def matrices(count=2, n=7, d=3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, d, generator=generator, dtype=F64) for _ in range(count + 1)]


def by_loops(q, others, scale, bias, beta):
    out = []
    for i, anchor in enumerate(q.tolist()):
        dots = [
            math.fsum(a * b for a, b in zip(anchor, row, strict=True))
            for k in others
            for j, row in enumerate(k.tolist())
            if j != i
        ]
        weights = [math.exp(beta * s) for s in dots]
        terms = [math.log1p(math.exp(scale * s + bias[i])) for s in dots]
        total = math.fsum(w * x for w, x in zip(weights, terms, strict=True))
        out.append(total / math.fsum(weights))
    return out


@pytest.mark.parametrize("beta", [0.0, 2.0, -1.5])
@pytest.mark.parametrize(("scale", "biased"), [(1.0, False), (3.0, True), (-2.0, True)])
@pytest.mark.parametrize("count", [1, 2])
def test_double_loop(implementation, count, scale, biased, beta):
    q, *others = matrices(count)
    bias = torch.linspace(-1, 1, 7, dtype=F64) if biased else None
    found = hard_softplus(q, others, scale=scale, bias=bias, beta=beta)
    expected = by_loops(q, others, scale, [0.0] * 7 if bias is None else bias.tolist(), beta)
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_gradients_hold_the_weights_fixed(implementation):
    inputs = [z.requires_grad_() for z in matrices(2)]
    q, *others = inputs
    bias = torch.linspace(-1, 1, 7, dtype=F64).requires_grad_()
    found = hard_softplus(q, others, scale=2.0, bias=bias, beta=1.5)
    own = torch.eye(7, dtype=torch.bool).repeat(1, 2)
    dots = (q @ torch.cat(others).t()).masked_fill(own, -torch.inf)
    p = (1.5 * dots).softmax(1).detach()
    plain = (p * softplus(2.0 * dots + bias[:, None])).sum(1)
    torch.testing.assert_close(found, plain)
    grad = torch.linspace(1, 2, 7, dtype=F64)
    inputs = (*inputs, bias)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, grad), torch.autograd.grad(plain, inputs, grad)
    )


def test_sharp_weights_find_the_hardest_pair(implementation):
    q, k = matrices(1)
    found = hard_softplus(q, [k], scale=1.0, beta=1e4)
    hardest = (q @ k.t()).fill_diagonal_(-torch.inf).amax(1)
    torch.testing.assert_close(found, softplus(hardest))
