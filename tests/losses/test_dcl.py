"""DCL and DCLW against closed forms and a double loop."""

import math

import pytest
import torch

from gcl.losses import DCL, DCLW, InfoNCE
from gcl.ops import tiling
from gcl.testing import check_loss


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def loop(z1, z2, tau, intra=True, weight=None):
    """Per-anchor loss z1 -> z2 in plain Python."""
    rows = [[row.tolist() for row in z] for z in (z1, z2)]
    rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]

    def logit(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / tau

    out = []
    for i, anchor in enumerate(rows[0]):
        terms = [math.exp(logit(anchor, b)) for j, b in enumerate(rows[1]) if j != i]
        if intra:
            terms += [math.exp(logit(anchor, b)) for j, b in enumerate(rows[0]) if j != i]
        own = logit(anchor, rows[1][i])
        out.append(math.log(math.fsum(terms)) - own * (1 if weight is None else weight[i]))
    return out


def test_closed_form_on_identity_rows(implementation):
    z = torch.eye(12, 16, dtype=torch.float64)
    value = DCL(0.4)(z, z)
    assert value.item() == pytest.approx(0.591042453358, abs=1e-12)
    assert value.item() == pytest.approx(math.log(22) - 2.5, rel=1e-12)


@pytest.mark.parametrize("intra", [True, False])
def test_double_loop(intra, implementation):
    z1, z2 = views()
    expected = loop(z1, z2, 0.3, intra) + loop(z2, z1, 0.3, intra)
    loss = DCL(0.3, intra=intra)
    assert loss(z1, z2).item() == pytest.approx(sum(expected) / 18, rel=1e-10)
    assert torch.autograd.gradcheck(loss, [z.requires_grad_() for z in (z1, z2)])


def test_weighted_positives():
    z1, z2 = views()
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (z1, z2))
    powers = [math.exp(float(s) / 0.5) for s in (u * v).sum(1)]
    weight = [min(2.0, max(0.0, 2 - 9 * p / sum(powers))) for p in powers]
    expected = loop(z1, z2, 0.3, weight=weight) + loop(z2, z1, 0.3, weight=weight)
    assert DCLW(0.3)(z1, z2).item() == pytest.approx(sum(expected) / 18, rel=1e-10)
    # The weights are constants: their mean is 1, and no gradient passes through them.
    assert sum(2 - 9 * p / sum(powers) for p in powers) == pytest.approx(9)
    a = z1.clone().requires_grad_()
    (grad,) = torch.autograd.grad(DCLW(0.3)(a, z2), a)
    fixed = torch.tensor(weight, dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity
    frozen = DCL(0.3)(a, z2) + ((1 - fixed) * cosine(a, z2)).mean() / 0.3
    assert torch.allclose(grad, torch.autograd.grad(frozen, a)[0], rtol=1e-10)


def test_infonce_is_the_softplus_of_dcl():
    z1, z2 = views()
    options = {"reduction": "none", "symmetric": False}
    decoupled = DCL(0.3, **options)(z1, z2)
    assert torch.allclose(
        InfoNCE(0.3, **options)(z1, z2), torch.nn.functional.softplus(decoupled), rtol=1e-12
    )


@pytest.mark.parametrize("loss", [DCL(), DCLW()])
def test_one_row_is_zero_with_a_warning_and_a_graph(loss):
    z = torch.ones(1, 3, requires_grad=True)
    with pytest.warns(UserWarning, match="no negatives"):
        value = loss(z, z)
    assert value.item() == 0
    value.backward()
    assert z.grad.abs().sum() == 0


@pytest.mark.parametrize(("tau", "how"), [(0.4, "auto"), (0.01, "auto"), (0.4, "tiled")])
def test_contract(tau, how):
    with tiling(implementation=how):
        check_loss(DCL(tau), rows=(2, 3, 17, 300))


def test_contract_of_the_weighted_form():
    check_loss(DCLW(0.4), rows=(2, 3, 17, 300), constants=True)


def test_bad_sigma():
    with pytest.raises(ValueError, match="sigma must be"):
        DCLW(sigma=0)
