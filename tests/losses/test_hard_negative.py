"""HardNegativeInfoNCE against a double loop, also with constant weights."""

import math

import pytest
import torch
from torch import nn

from gcl.losses.hard_negative import HardNegativeInfoNCE
from gcl.losses.infonce import InfoNCE
from gcl.testing import check_loss


def views(n=9, d=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def cosine(a, b):
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def side(z1, z2, tau, beta, tau_plus, intra, fixed=None):
    """Loss of every anchor of z1; `fixed` are the two views the weights are computed from."""
    w1, w2 = fixed or (z1, z2)
    losses = []
    for i in range(len(z1)):
        weights, powers = [], []
        for j in range(len(z1)):
            for mine, theirs in [((z1, z2), (w1, w2))] + ([((z1, z1), (w1, w1))] if intra else []):
                if j != i:
                    powers.append(math.exp(cosine(mine[0][i], mine[1][j]) / tau))
                    weights.append(math.exp(beta * cosine(theirs[0][i], theirs[1][j]) / tau))
        m, up = len(powers), math.exp(cosine(z1[i], z2[i]) / tau)
        hard = sum(w * e for w, e in zip(weights, powers, strict=True)) / sum(weights)
        negative = max(m * (hard - tau_plus * up) / (1 - tau_plus), m * math.exp(-1 / tau))
        losses.append(-math.log(up / (up + negative)))
    return losses


def loop(z1, z2, tau, beta, tau_plus, intra=True, fixed=None):
    z1, z2 = z1.tolist(), z2.tolist()
    back = None if fixed is None else fixed[::-1]
    forth = side(z1, z2, tau, beta, tau_plus, intra, fixed)
    values = forth + side(z2, z1, tau, beta, tau_plus, intra, back)
    return sum(values) / len(values)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize(("beta", "tau_plus"), [(1.0, 0.02), (0.0, 0.05), (2.5, 0.0), (0.5, 0.15)])
def test_double_loop(beta, tau_plus, intra, implementation):
    z1, z2 = views()
    loss = HardNegativeInfoNCE(0.4, beta=beta, tau_plus=tau_plus, intra=intra)
    assert loss(z1, z2).item() == pytest.approx(loop(z1, z2, 0.4, beta, tau_plus, intra), rel=1e-10)
    one_sided = HardNegativeInfoNCE(
        0.4, beta=beta, tau_plus=tau_plus, intra=intra, symmetric=False, reduction="none"
    )
    expected = side(z1.tolist(), z2.tolist(), 0.4, beta, tau_plus, intra)
    assert one_sided(z1, z2).tolist() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("intra", [True, False])
def test_no_hardness_and_no_debiasing_is_infonce(intra, implementation):
    z1, z2 = views(23)
    plain = HardNegativeInfoNCE(0.3, beta=0, tau_plus=0, intra=intra)
    assert torch.allclose(plain(z1, z2), InfoNCE(0.3, intra=intra)(z1, z2), rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_gradcheck_with_learned_tau(beta, implementation):
    z1, z2 = (z.requires_grad_() for z in views(6, 3))
    loss = HardNegativeInfoNCE(
        nn.Parameter(torch.tensor(0.4, dtype=torch.float64)),
        beta=beta,
    )
    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b, t: torch.func.functional_call(loss, {"tau": t}, (a, b)), (z1, z2, tau)
    )


def test_constant_weights_by_differences_of_the_double_loop(implementation):
    z1, z2 = (z.requires_grad_() for z in views(6, 3))
    loss = HardNegativeInfoNCE(0.4, beta=1.5, tau_plus=0.03, detach_weights=True)
    value = loss(z1, z2)
    grad, _ = torch.autograd.grad(value, (z1, z2))
    fixed = (z1.tolist(), z2.tolist())
    assert value.item() == pytest.approx(loop(z1, z2, 0.4, 1.5, 0.03), rel=1e-10)
    step = 1e-6
    for i, d in [(0, 0), (2, 1), (5, 2)]:
        ends = []
        for sign in (1, -1):
            moved = z1.detach().clone()
            moved[i, d] += sign * step
            ends.append(loop(moved, z2, 0.4, 1.5, 0.03, fixed=fixed))
        assert grad[i, d].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)
    through = torch.autograd.grad(HardNegativeInfoNCE(0.4, beta=1.5, tau_plus=0.03)(z1, z2), z1)[0]
    assert not torch.allclose(grad, through, rtol=1e-3)


def test_clamped_negatives_get_no_gradient_and_a_warning_once():
    z = torch.eye(5, dtype=torch.float64)
    z1 = z.clone().requires_grad_()
    z2 = (z + 1e-3).requires_grad_()
    loss = HardNegativeInfoNCE(0.1, tau_plus=0.5, beta=0, intra=False)
    with pytest.warns(UserWarning, match="smaller tau_plus"):
        value = loss(z1, z2)
    loss(z1, z2)  # silent
    assert value.item() == pytest.approx(loop(z1, z2, 0.1, 0, 0.5, False), rel=1e-9)
    # What is left pulls z1_0 towards z2_0 alone: nothing along the axis of another node but that.
    unit = torch.nn.functional.normalize(z2.detach(), dim=1)
    (grad,) = torch.autograd.grad(value, z1)
    tangent = unit - (z * unit).sum(1, keepdim=True) * z
    assert torch.allclose(grad / grad.norm(), -tangent / tangent.norm(), atol=1e-9)


def test_small_tau_in_float32_stays_finite():
    z1, z2 = (z.float().requires_grad_() for z in views(20))
    for tau_plus in (0.0, 1e-12):
        value = HardNegativeInfoNCE(0.005, tau_plus=tau_plus)(z1, z2)
        grads = torch.autograd.grad(value, (z1, z2))
        assert value.isfinite()
        assert all(g.isfinite().all() for g in grads)


def test_contract():
    check_loss(HardNegativeInfoNCE(0.4), rows=(2, 3, 17, 300))
    check_loss(HardNegativeInfoNCE(0.4, beta=0.5, intra=False))
    check_loss(HardNegativeInfoNCE(0.4, detach_weights=True), constants=True)


def test_one_row_and_no_row():
    with pytest.warns(UserWarning, match="no negatives"):
        assert HardNegativeInfoNCE()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert HardNegativeInfoNCE()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_arguments():
    for beta in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="beta must be a number of at least 0"):
            HardNegativeInfoNCE(beta=beta)
    for tau_plus in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"tau_plus must lie in \[0, 1\)"):
            HardNegativeInfoNCE(tau_plus=tau_plus)
    with pytest.raises(ValueError, match="leave out negatives other than MetaNodeNegatives"):
        HardNegativeInfoNCE(negatives=lambda q, k, tau: q[:, 0])
