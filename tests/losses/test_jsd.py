"""The Jensen-Shannon loss against a float64 double loop and scikit-learn."""

import math

import pytest
import torch
from sklearn.metrics import log_loss

from gcl.losses.jsd import JSD
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def scores(z1, z2, cosine):
    """Rows as lists, and a function from two of them to their similarity."""
    rows = [[row.tolist() for row in z] for z in (z1, z2)]
    if cosine:
        rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]
    return rows, lambda a, b: math.fsum(x * y for x, y in zip(a, b, strict=True))


def loop(z1, z2, tau, *, intra=False, beta=0.0, cosine=False):
    """E_neg - E_pos, mean of both directions."""
    (a, b), similarity = scores(z1, z2, cosine)
    softplus = lambda x: math.log1p(math.exp(x))  # noqa: E731
    largest = max(similarity(r, r) for r in a + b)
    n, total = len(a), 0.0
    for q, k in ((a, b), (b, a)):
        for i in range(n):
            positive = math.log(2) - softplus(-similarity(q[i], k[i]) / tau)
            s = [similarity(q[i], k[j]) for j in range(n) if j != i]
            if intra:
                s += [similarity(q[i], q[j]) for j in range(n) if j != i]
            r = [math.exp(2 * beta * x / largest) for x in s]
            r = [x * len(r) / sum(r) for x in r]
            negative = [w * (softplus(x / tau) - math.log(2)) for w, x in zip(r, s, strict=True)]
            total += sum(negative) / len(s) - positive
    return total / (2 * n)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("beta", [0.0, 2.0, -1.0])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_double_loop(similarity, beta, intra, implementation):
    z1, z2 = views()
    loss = JSD(0.7, similarity=similarity, intra=intra, beta=beta)
    expected = loop(z1, z2, 0.7, intra=intra, beta=beta, cosine=similarity == "cosine")
    assert loss(z1, z2).item() == pytest.approx(expected, rel=1e-9)
    bce = JSD(
        0.7, form="bce", similarity=similarity, intra=intra, beta=beta,
    )  # fmt: skip
    assert bce(z1, z2).item() == pytest.approx(expected / 2 + math.log(2), rel=1e-9)


def test_bce_by_scikit_learn():
    z1, z2 = views()
    (a, b), similarity = scores(z1, z2, False)
    p = [[1 / (1 + math.exp(-similarity(x, y))) for y in b] for x in a]
    labels = [int(i == j) for i in range(9) for j in range(9)]
    flat = [x for row in p for x in row]
    weight = [1 / 9 if y else 1 / 72 for y in labels]  # both halves alike
    expected = log_loss(labels, flat, sample_weight=weight)
    assert JSD(form="bce")(z1, z2).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("intra", [True, False])
def test_gradient(intra, implementation):
    z1, z2 = (z.requires_grad_() for z in views())
    loss = JSD(0.7, intra=intra)
    assert torch.autograd.gradcheck(loss, (z1, z2))


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_gradient_of_the_hard_form_has_constant_weights(similarity, implementation):
    z1, z2 = (z.requires_grad_() for z in views())
    loss = JSD(0.7, similarity=similarity, beta=2.0, intra=True)
    mine = torch.autograd.grad(loss(z1, z2), (z1, z2))
    # The same by autograd over a formula written out with the weights as constants.
    rows = [z if similarity == "dot" else z / z.norm(dim=1, keepdim=True) for z in (z1, z2)]
    largest = max(float((z * z).sum(1).max().detach()) for z in rows)
    total, off = 0.0, ~torch.eye(9, dtype=torch.bool)
    for q, k in (rows, rows[::-1]):
        s = torch.cat([(q @ k.T)[off].view(9, 8), (q @ q.T)[off].view(9, 8)], dim=1)
        r = (4 * s.detach() / largest).exp()
        r = r / r.mean(1, keepdim=True)
        negative = (r * torch.log1p((s / 0.7).exp())).mean()
        total = total + (torch.log1p((-(q * k).sum(1) / 0.7).exp()).mean() + negative) / 2
    for a, b in zip(mine, torch.autograd.grad(total, (z1, z2)), strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


def test_hard_and_easy_negatives_lie_on_both_sides_of_the_plain_mean():
    z1, z2 = views()
    easy, plain, hard = (JSD(beta=beta)(z1, z2) for beta in (-2.0, 0.0, 2.0))
    assert easy < plain < hard


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_zero_rows_and_huge_scores_stay_finite(beta):
    for scale in (0.0, 1e4):
        z = (scale * torch.ones(5, 3)).requires_grad_()
        value = JSD(beta=beta)(z, z)
        value.backward()
        assert value.isfinite()
        assert z.grad.isfinite().all()


@pytest.mark.parametrize("form", ["jsd", "bce"])
@pytest.mark.parametrize("intra", [True, False])
def test_contract(intra, form):
    check_loss(JSD(intra=intra, form=form))
    check_loss(JSD(intra=intra, form=form, beta=1.0), constants=True)


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert JSD()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert JSD()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="tau must be a number above 0"):
        JSD(0)
    with pytest.raises(ValueError, match="form must be one of 'jsd', 'bce'"):
        JSD(form="nce")
    with pytest.raises(ValueError, match="beta must be a finite number"):
        JSD(beta=math.nan)
    with pytest.raises(ValueError, match="similarity must be one of"):
        JSD(similarity="neg_sq_euclidean")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_hard_negatives_of_rows_next_to_zero_are_finite(dtype):
    generator = torch.Generator().manual_seed(0)
    z1 = torch.zeros(4, 3, dtype=dtype).requires_grad_()
    z2 = (1e-20 * torch.randn(4, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    for other in (z2, z2.detach().float().requires_grad_()):
        value = JSD(0.5, beta=2.0)(z1, other)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(other.grad).all()
