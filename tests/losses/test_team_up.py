"""TeamUp: the formula as a float64 double loop, and its schedule."""

import copy
import math

import pytest
import torch

from gcl.losses import InfoNCE
from gcl.losses.team_up import TeamUp
from gcl.ops import tiling
from gcl.testing import check_loss


def by_loop(z1, z2, s, tau, gamma, intra=True):
    """Value of every anchor, both directions, in plain Python."""

    def unit(z):
        return [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in z.tolist()]

    u, v, s = unit(z1), unit(z2), s.tolist()
    n = len(u)

    def logit(a, b, i, j):
        cos = sum(x * y for x, y in zip(a[i], b[j], strict=True))
        return (cos + gamma * (s[i] + s[j])) / tau

    values = []
    for a, b in ((u, v), (v, u)):
        for i in range(n):
            terms = [logit(a, b, i, j) for j in range(n)]
            terms += [logit(a, a, i, j) for j in range(n) if j != i and intra]
            top = max(terms)
            total = top + math.log(sum(math.exp(t - top) for t in terms))
            values.append(total - logit(a, b, i, i))
    return values


def sample(n, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = (torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    return z1, z2, torch.rand(n, generator=generator, dtype=torch.float64) - 0.3


def at(gamma, **options):
    """A loss whose gamma is a given number."""
    loss = TeamUp(0.3, t0=50, gamma_max=10, **options)
    loss.after_step(50 + round(100 * gamma), 5000)
    assert loss.gamma == pytest.approx(gamma)
    return loss


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.57, 10.0])
def test_value_and_gradient_are_the_formula(gamma, intra, implementation):
    z1, z2, s = sample(9)
    loss = at(gamma, intra=intra)
    inputs = [z.requires_grad_() for z in (z1, z2)]
    value = loss(z1, z2, s)
    values = by_loop(z1, z2, s, 0.3, gamma, intra)
    assert value.item() == pytest.approx(sum(values) / 18, abs=1e-8)
    each = at(gamma, intra=intra, reduction="none")(z1, z2, s).tolist()
    assert each == pytest.approx([(a + b) / 2 for a, b in zip(values[:9], values[9:], strict=True)])
    grads = torch.autograd.grad(value, inputs)
    h = 1e-4
    for which, grad in enumerate(grads):
        for i, j in [(0, 0), (3, 1), (8, 3)]:
            differences = []
            # Richardson: the error of the difference is of order h^4.
            for step in (h, -h, 2 * h, -2 * h):
                moved = [z.detach().clone() for z in inputs]
                moved[which][i, j] += step
                differences.append(sum(by_loop(*moved, s, 0.3, gamma, intra)) / 18)
            f = differences
            slope = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h)
            assert grad[i, j].item() == pytest.approx(slope, abs=1e-8)


def test_tiled_is_dense_with_its_gradients_also_of_tau_and_strength():
    results = []
    for how in ("dense", "tiled"):
        z1, z2, s = (t.requires_grad_() for t in sample(300))
        loss = TeamUp(torch.nn.Parameter(torch.tensor(0.3).double()))
        loss.after_step(100, 100)
        with tiling(implementation=how, tile=128):
            value = loss(z1, z2, s)
        results.append((value, *torch.autograd.grad(value, (z1, z2, s, loss.tau))))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
        assert a.abs().max() > 1e-8


def test_the_rule_takes_part_on_both_sides():
    z1, z2, s = sample(12)
    loss, plain = at(2.0), InfoNCE(0.3)
    assert torch.isclose(loss(z1, z2), plain(z1, z2))
    assert torch.isclose(loss(z1, z2, s * 0 + 0.4), plain(z1, z2))  # equal strengths cancel
    assert torch.isclose(loss(z1, z2, s + 1), loss(z1, z2, s))
    assert (loss(z1, z2, s) - plain(z1, z2)).abs() > 1e-2
    one_way = at(2.0, symmetric=False)(z1, z2, s)
    assert one_way.item() == pytest.approx(sum(by_loop(z1, z2, s, 0.3, 2.0)[:12]) / 12)
    order = torch.randperm(12)
    assert torch.isclose(loss(z1[order], z2[order], s[order]), loss(z1, z2, s))


def test_schedule_and_its_checkpoint():
    loss = TeamUp(0.4, t0=100, gamma_max=2.0)
    seen = []
    for step in (0, 100, 150, 250, 300, 10_000):
        loss.after_step(step, 10_000)
        seen.append(loss.gamma)
    assert seen == [0, 0, 0.5, 1.5, 2.0, 2.0]
    loss.after_step(150, 10_000)
    other = TeamUp(0.4, t0=100, gamma_max=2.0)
    assert other.gamma == 0
    other.load_state_dict(loss.state_dict())
    assert other.gamma == copy.deepcopy(loss).gamma == 0.5
    assert TeamUp(t0=0, ramp=10, gamma_max=3).gamma == 0
    slow = TeamUp(t0=0, ramp=10, gamma_max=3)
    slow.after_step(15, 100)
    assert slow.gamma == 1.5


def test_extremes():
    z1, z2, s = (t.float() for t in sample(8))
    z1[0] = 0
    strong = at(10.0)
    value = strong(z1.requires_grad_(), z2, 20 * s)  # logits of hundreds
    value.backward()
    assert value.isfinite()
    assert z1.grad.isfinite().all()
    assert strong(z1.bfloat16(), z2.bfloat16(), s).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert strong(z1, z2, s).dtype == torch.float32
    with pytest.warns(UserWarning, match="one row has no negatives"):
        assert strong(z1[1:2], z2[1:2], s[1:2]).item() == pytest.approx(0, abs=1e-5)


def test_contract():
    check_loss(TeamUp(0.4))

    def strong(z1, z2):
        # Rows may come in any order: a strength that is a function of the row.
        return at(1.0)(z1, z2, z1.detach().sum(1).sigmoid())

    check_loss(strong, constants=True)


def test_errors():
    z1, z2, s = sample(5)
    for bad in (s[:4], s[:, None], s * torch.nan):
        with pytest.raises(ValueError, match="5 finite numbers, one a row"):
            TeamUp()(z1, z2, bad)
    for options in ({"t0": -1}, {"gamma_max": -0.1}, {"gamma_max": math.inf}, {"ramp": 0}):
        with pytest.raises(ValueError, match=rf"TeamUp: {next(iter(options))}"):
            TeamUp(**options)
