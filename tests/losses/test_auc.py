"""The ranking loss against a float64 double loop and scikit-learn's AUC."""

import math

import pytest
import torch
from sklearn.metrics import roc_auc_score

from gcl.losses.auc import PairwiseAUC
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def comparisons(z1, z2, intra=False, cosine=True):
    """For every anchor of both directions: its positive and its negatives."""
    rows = [[row.tolist() for row in z] for z in (z1, z2)]
    if cosine:
        rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]

    def similarity(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True))

    for q, k in (rows, rows[::-1]):
        for i, anchor in enumerate(q):
            others = [similarity(anchor, x) for j, x in enumerate(k) if j != i]
            if intra:
                others += [similarity(anchor, x) for j, x in enumerate(q) if j != i]
            yield similarity(anchor, k[i]), others


def loop(z1, z2, tau, beta=0.0, **options):
    values = []
    for positive, others in comparisons(z1, z2, **options):
        weight = [math.exp(beta * s) for s in others]
        terms = [math.log1p(math.exp((s - positive) / tau)) for s in others]
        values.append(sum(w * x for w, x in zip(weight, terms, strict=True)) / sum(weight))
    return sum(values) / len(values)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("beta", [0.0, 3.0, -1.0])
def test_double_loop(beta, intra, implementation):
    z1, z2 = views()
    loss = PairwiseAUC(0.3, beta=beta, intra=intra)
    assert loss(z1, z2).item() == pytest.approx(loop(z1, z2, 0.3, beta, intra=intra), rel=1e-9)
    dot = PairwiseAUC(0.8, similarity="dot", beta=beta, intra=intra)
    expected = loop(z1, z2, 0.8, beta, intra=intra, cosine=False)
    assert dot(z1, z2).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_bound_of_the_auc(tau):
    z1, z2 = views()
    z2 = z1 + z2
    areas = [
        roc_auc_score([1] + [0] * len(others), [positive, *others])
        for positive, others in comparisons(z1, z2)
    ]
    lost = 1 - sum(areas) / len(areas)
    value = PairwiseAUC(tau)(z1, z2).item()
    assert 0 < lost <= value / math.log(2)


@pytest.mark.parametrize("intra", [True, False])
def test_gradient(intra, implementation):
    z1, z2 = (z.requires_grad_() for z in views())
    assert torch.autograd.gradcheck(PairwiseAUC(0.3, intra=intra), (z1, z2))


def test_gradient_with_hardness_is_that_of_constant_weights(implementation):
    z1, z2 = (z.requires_grad_() for z in views())
    mine = torch.autograd.grad(PairwiseAUC(0.3, beta=2.0)(z1, z2), (z1, z2))
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (z1, z2))
    total, off = 0.0, ~torch.eye(9, dtype=torch.bool)
    for s in (u @ v.T, v @ u.T):
        negatives = s[off].view(9, 8)
        p = (2 * negatives.detach()).softmax(1)
        gap = (negatives - s.diagonal()[:, None]) / 0.3
        total = total + (p * torch.log1p(gap.exp())).sum(1).mean() / 2
    expected = torch.autograd.grad(total, (z1, z2))
    for a, b in zip(mine, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"intra": True}])
def test_contract(options, implementation):
    check_loss(PairwiseAUC(**options))
    check_loss(PairwiseAUC(**options, beta=1.0), constants=True)


@pytest.mark.parametrize("beta", [0.0, 5.0])
def test_small_tau_stays_finite(beta):
    z = torch.ones(20, 4, requires_grad=True)
    value = PairwiseAUC(0.001, beta=beta)(z, z)
    value.backward()
    assert value.item() == pytest.approx(math.log(2), rel=1e-3)
    assert z.grad.isfinite().all()


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert PairwiseAUC()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert PairwiseAUC()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="tau must be a number above 0"):
        PairwiseAUC(-1)
    with pytest.raises(ValueError, match="beta must be a finite number"):
        PairwiseAUC(beta=math.inf)
