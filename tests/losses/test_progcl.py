"""ProGCL's loss: InfoNCE before t0, then weighted by the mixture, as a double loop."""

import math

import pytest
import torch
from scipy import stats
from torch.nn.functional import normalize

import gcl
from gcl.losses.progcl import ProGCL
from gcl.losses.weights.beta_mixture import fit_beta_mixture
from gcl.testing import check_loss


def fitted(**options):
    loss = ProGCL(0.5, t0=0, **options)
    loss.mixture.copy_(torch.tensor([0.9, 5.0, 7.0, 14.0, 2.5], dtype=torch.float64))
    return loss


def by_hand(u, v, tau, intra):
    """One direction, anchor by anchor, with SciPy's densities."""
    n, values = len(u), []
    for i in range(n):
        s = [(float(u[i] @ v[j]) + 1) / 2 for j in range(n)]
        true = [0.9 * stats.beta.pdf(x, 5, 7) for x in s]
        false = [0.1 * stats.beta.pdf(x, 14, 2.5) for x in s]
        b = [x * t / (t + f) for x, t, f in zip(s, true, false, strict=True)]
        mean = sum(b[j] for j in range(n) if j != i) / (n - 1)
        positive = math.exp(float(u[i] @ v[i]) / tau)
        total = positive
        for j in range(n):
            if j != i:
                total += b[j] / mean * math.exp(float(u[i] @ v[j]) / tau)
                if intra:
                    total += b[j] / mean * math.exp(float(u[i] @ u[j]) / tau)
        values.append(-math.log(positive / total))
    return sum(values) / n


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("symmetric", [True, False])
def test_value_is_the_double_loop(intra, symmetric, implementation):
    generator = torch.Generator().manual_seed(0)
    z1, z2 = (torch.randn(11, 4, generator=generator).double() for _ in range(2))
    u, v = normalize(z1), normalize(z2)
    sides = [by_hand(u, v, 0.5, intra), by_hand(v, u, 0.5, intra)]
    expected = sum(sides) / 2 if symmetric else sides[0]
    loss = fitted(intra=intra, symmetric=symmetric)
    assert float(loss(z1, z2)) == pytest.approx(expected, rel=1e-9)


def test_before_t0_it_is_infonce_and_the_fit_comes_once():
    z1, z2 = torch.randn(40, 4), torch.randn(40, 4)
    loss = ProGCL(0.5, t0=3, columns=40)
    loss.after_step(2, 10)
    assert torch.isclose(loss(z1, z2), gcl.losses.InfoNCE(0.5)(z1, z2))
    assert loss.mixture.isnan().all()
    loss.after_step(3, 10)
    loss(z1, z2)
    s = (normalize(z1) @ normalize(z2).t() + 1) / 2
    expected = fit_beta_mixture(s[~torch.eye(40, dtype=torch.bool)])
    assert torch.allclose(loss.mixture, expected, rtol=1e-4)  # all columns: no chance involved
    loss(z2, z1 + 1)
    assert torch.allclose(loss.mixture, expected, rtol=1e-4)
    again = ProGCL(0.5, t0=3)
    again.load_state_dict(loss.state_dict())
    assert torch.equal(again(z1, z2), loss(z1, z2))


def test_contract():
    # The weights are constants, so the gradient is not that of the value.
    check_loss(fitted(), constants=True)
    check_loss(ProGCL(0.5))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="t0 must be at least 0"):
        ProGCL(t0=-1)
    with pytest.raises(ValueError, match="share must lie"):
        ProGCL(share=0.0)
    with pytest.warns(UserWarning, match="one row"):
        assert float(fitted()(torch.ones(1, 2), torch.ones(1, 2))) == 0
