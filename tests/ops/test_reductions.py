"""Rows of logits that come tile by tile against SciPy on the whole rows."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp, softmax

from gcl.ops.reductions import LogSumExp, Reduction, SoftmaxMean, SoftplusSum, merge
from gcl.ops.tiles import blocks

N, M = 5, 13
EVERY = slice(0, N)


def logits(size=3.0):
    """One row has a single candidate, one row none."""
    generator = torch.Generator().manual_seed(0)
    table = size * torch.randn(N, M, generator=generator, dtype=torch.float64)
    table[1, 1:] = -torch.inf
    table[3] = -torch.inf
    return table


def reduced(reduction, table, width, bounded=False):
    """What `finish` gives, before the scale."""
    state = reduction.start(N, table, bounded)
    for cols in blocks(M, width):
        state = reduction.add(state, table[:, cols] * reduction.unit, EVERY)
    return reduction.finish(state)


def slopes(reduction, table, out, grad):
    tiles = [table[:, cols] * reduction.unit for cols in blocks(M, 4)]
    return torch.cat([reduction.slope(tile, out, grad, EVERY) for tile in tiles], 1)


def softmax_or_nothing(table):
    some = ~np.isinf(table.numpy()).all(1)
    share = np.zeros((N, M))
    share[some] = softmax(table.numpy()[some], axis=1)
    return share


GRAD = torch.linspace(-1, 2, N, dtype=torch.float64)


@pytest.mark.parametrize("width", [1, 4, M])
@pytest.mark.parametrize(("size", "bounded"), [(3.0, True), (3.0, False), (900.0, False)])
def test_logsumexp(size, bounded, width):
    table, reduction = logits(size), LogSumExp()
    out = reduced(reduction, table, width, bounded)
    with np.errstate(divide="ignore"):
        expected = logsumexp(table.numpy(), axis=1)
    np.testing.assert_allclose(out.numpy() * reduction.scale, expected, rtol=1e-12)
    share = softmax_or_nothing(table)
    found = slopes(reduction, table, out, GRAD)
    np.testing.assert_allclose(found.numpy(), share * GRAD.numpy()[:, None], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("width", [1, 4, M])
def test_softplus_sum(width):
    table, reduction = logits(), SoftplusSum()
    out = reduced(reduction, table, width)
    expected = np.logaddexp(0, table.numpy())
    np.testing.assert_allclose(out.numpy() * reduction.scale, expected.sum(1), rtol=1e-12)
    found = slopes(reduction, table, out, GRAD)
    np.testing.assert_allclose(found.numpy(), expit(table.numpy()) * GRAD.numpy()[:, None])


@pytest.mark.parametrize("width", [1, 4, M])
@pytest.mark.parametrize("detach", [False, True])
def test_softmax_mean(detach, width):
    table = logits()
    reduction = SoftmaxMean(table.logsumexp(1), detach)
    out = reduced(reduction, table, width)
    share = softmax_or_nothing(table)
    mean = (share * np.where(share > 0, table.numpy(), 0)).sum(1)
    np.testing.assert_allclose(out + reduction.lse, mean, rtol=1e-12)
    plain = logits().requires_grad_()
    p = plain.softmax(1)
    p = p.detach() if detach else p
    (expected,) = torch.autograd.grad(
        (p * plain.masked_fill(p == 0, 0)).sum(1)[[0, 2, 4]].sum(), plain
    )
    found = slopes(reduction, table, out, torch.ones(N, dtype=torch.float64))
    np.testing.assert_allclose(found[[0, 2, 4]], expected[[0, 2, 4]], rtol=1e-10, atol=1e-14)
    assert not found[3].any()


def test_merge_adds_powers_of_two_of_any_size():
    total = torch.tensor([1.0, 1000.0, -torch.inf, -torch.inf, -3000.0], dtype=torch.float64)
    tile = logits(2.0)
    tile[1] += 1000
    expected = np.logaddexp2.reduce(np.column_stack([total, tile]), axis=1)
    found = merge(total.clone(), tile.clone(), 1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert found[3] == -torch.inf
    turned = merge(total.clone(), tile.t().clone(), 0)
    assert torch.equal(turned, found)


def test_what_is_a_reduction():
    assert all(isinstance(r, Reduction) for r in (LogSumExp(), SoftplusSum()))
    assert not isinstance(torch.nn.ReLU(), Reduction)
