"""MACL's temperature, and the identity that makes MACL a DCL."""

import copy

import pytest
import torch
from torch.nn.functional import cosine_similarity

from gcl.losses import DCL, AdaptiveTemperature, InfoNCE
from gcl.ops.multi_view import two_view_logsumexp
from gcl.ops.similarity import unit_rows


def views(n=12, d=6):
    generator = torch.Generator().manual_seed(n)
    z1 = torch.randn(n, d, generator=generator, dtype=torch.float64)
    z2 = z1 + 0.7 * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return z1.requires_grad_(), z2.requires_grad_()


def test_the_published_loss_has_the_gradient_of_dcl():
    z1, z2 = views()
    alignment = float(cosine_similarity(z1, z2).mean().detach())
    tau = 0.3 * (1 + 0.5 * (alignment - 0.1))
    # As published: InfoNCE, each anchor weighed by a constant 1 / (1 - P_i).
    u, v = unit_rows(z1), unit_rows(z2)
    published = 0
    for lse in two_view_logsumexp(u, v, tau):
        log_p = (u * v).sum(1) / tau - lse
        published = published - (log_p / (1 - log_p.exp()).detach()).mean() / 2
    ours = DCL(AdaptiveTemperature(0.3, alpha=0.5, A0=0.1))(z1, z2)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (z1, z2)), torch.autograd.grad(published, (z1, z2)), strict=True
    ):
        assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    assert torch.isclose(ours, DCL(tau)(z1, z2), rtol=1e-12)


def test_every_softmax_loss_takes_it():
    z1, z2 = views()
    alignment = float(cosine_similarity(z1, z2).mean().detach())
    adaptive = InfoNCE(AdaptiveTemperature(0.4, alpha=1.0))(z1, z2)
    assert torch.isclose(adaptive, InfoNCE(0.4 * (1 + alignment))(z1, z2), rtol=1e-12)
    pairs = torch.tensor([[0, 0, 3], [1, 2, 3]])
    chosen = cosine_similarity(z1[pairs[0]], z2[pairs[1]]).mean().detach()
    adaptive = InfoNCE(AdaptiveTemperature(0.4, alpha=1.0))(z1, z2, pairs)
    assert torch.isclose(adaptive, InfoNCE(float(0.4 * (1 + chosen)))(z1, z2, pairs), rtol=1e-12)


def test_bounds_hold_where_the_views_disagree():
    tau = AdaptiveTemperature(0.1, alpha=1.0, A0=1.0)
    assert tau(torch.full((4,), -1.0)).item() == pytest.approx(0.05)
    assert tau(torch.empty(0)).item() == pytest.approx(0.1)


def test_momentum_is_training_state():
    tau = AdaptiveTemperature(1.0, alpha=1.0, momentum=0.5)
    assert tau(torch.tensor([0.8])).item() == pytest.approx(1.8)  # the first value counts whole
    assert tau(torch.tensor([0.2])).item() == pytest.approx(1.5)
    other = copy.deepcopy(tau)
    other.load_state_dict(AdaptiveTemperature(momentum=0.5).state_dict())
    other.load_state_dict(tau.state_dict())
    assert other.eval()(torch.tensor([0.1])).item() == pytest.approx(1.3)
    assert other.alignment.item() == pytest.approx(0.5)  # evaluation mode does not move it


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"tau0": 0}, "tau0 must be"),
        ({"alpha": 2}, "alpha must lie"),
        ({"A0": -0.1}, "A0 must lie"),
        ({"momentum": 1}, "momentum must lie"),
        ({"bounds": (0, 1)}, "0 < low <= high"),
    ],
)
def test_bad_numbers(bad, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveTemperature(**bad)


@pytest.mark.parametrize("tau0", [0.01, 5.0])
def test_the_range_holds_the_start(tau0):
    assert AdaptiveTemperature(tau0, alpha=0.0)(torch.tensor([0.3])).item() == pytest.approx(tau0)
