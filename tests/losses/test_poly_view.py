"""PolyView against a double loop over Python floats and InfoNCE."""

import math

import pytest
import torch
from torch import nn

from gcl.losses.infonce import InfoNCE
from gcl.losses.poly_view import PolyView
from gcl.losses.temperature import AdaptiveTemperature
from gcl.testing import check_loss


def views(m=3, n=7, d=4):
    generator = torch.Generator().manual_seed(m * n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(m)]


def unit(a):
    norm = math.sqrt(sum(x * x for x in a))
    return [x / norm for x in a] if norm else a


def power(a, b, tau):
    return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / tau)


def loop(zs, tau, form):
    """One value a node, from the definition."""
    zs = [[unit(row) for row in z.tolist()] for z in zs]
    m, n, out = len(zs), len(zs[0]), []
    for i in range(n):
        total = 0.0
        for a in range(m):
            rest = sum(power(zs[a][i], zs[c][j], tau) for c in range(m) for j in range(n) if j != i)
            up = [power(zs[a][i], zs[b][i], tau) for b in range(m) if b != a]
            shares = [p / (p + rest) for p in up]
            if form == "geometric":
                total -= sum(map(math.log, shares)) / (m - 1)
            else:
                total -= math.log(sum(shares) / (m - 1))
        out.append(total / m)
    return out


@pytest.mark.parametrize("form", ["geometric", "arithmetic"])
@pytest.mark.parametrize("m", [2, 3, 4])
def test_double_loop(m, form, implementation):
    zs = views(m)
    options = {"form": form}
    each = PolyView(0.3, reduction="none", **options)(*zs)
    assert each.tolist() == pytest.approx(loop(zs, 0.3, form), rel=1e-10)
    assert PolyView(0.3, **options)(*zs).item() == pytest.approx(each.mean().item(), rel=1e-12)


@pytest.mark.parametrize("m", [2, 4])
def test_mean_of_the_rest_by_double_loop(m, implementation):
    zs = views(m)
    rows = [[unit(row) for row in z.tolist()] for z in zs]
    expected = []
    for i in range(7):
        total = 0.0
        for a in range(m):
            means = [
                unit([sum(x) for x in zip(*(rows[b][j] for b in range(m) if b != a), strict=True)])
                for j in range(7)
            ]
            below = sum(power(rows[a][i], r, 0.3) for r in means)
            below += sum(power(rows[a][i], rows[a][j], 0.3) for j in range(7) if j != i)
            total -= math.log(power(rows[a][i], means[i], 0.3) / below)
        expected.append(total / m)
    loss = PolyView(0.3, rest="mean", reduction="none")
    assert loss(*zs).tolist() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("options", [{}, {"form": "arithmetic"}, {"rest": "mean"}], ids=str)
def test_two_views_are_infonce(options):
    for z1, z2 in (views(2, 31), (torch.zeros(3, 2), torch.eye(3, 2))):
        assert torch.allclose(PolyView(0.3, **options)(z1, z2), InfoNCE(0.3)(z1, z2), rtol=1e-6)
    tau = AdaptiveTemperature(0.3, alpha=0.7)
    z1, z2 = views(2, 31)
    assert torch.allclose(PolyView(tau, **options)(z1, z2), InfoNCE(tau)(z1, z2), rtol=1e-12)


def test_arithmetic_is_never_above_geometric():
    zs = views(4, 30)
    low, high = (PolyView(0.2, form=f, reduction="none")(*zs) for f in ("arithmetic", "geometric"))
    assert (low <= high + 1e-12).all()
    assert (low < high).any()


def test_adaptive_temperature_sees_every_pair_once():
    zs = views(3)
    seen = []

    class Watch(nn.Module):
        def forward(self, similarity):
            seen.append(similarity)
            return 0.5

    cosine = [torch.cosine_similarity(a, b) for a, b in zip(zs, [*zs[1:], zs[0]], strict=True)]
    PolyView(Watch())(*zs)
    assert seen[0].sort()[0].tolist() == pytest.approx(torch.cat(cosine).sort()[0].tolist())


@pytest.mark.parametrize("options", [{}, {"form": "arithmetic"}, {"rest": "mean"}], ids=str)
def test_gradcheck_with_learned_tau(options, implementation):
    zs = [z.requires_grad_() for z in views(3, 5, 3)]
    start = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
    loss = PolyView(start, **options)
    assert "tau=0.4" in repr(loss)
    tau = start.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t, *z: torch.func.functional_call(loss, {"tau": t}, z), (tau, *zs)
    )


@pytest.mark.parametrize("options", [{}, {"form": "arithmetic"}, {"rest": "mean"}], ids=str)
def test_contract(options):
    check_loss(PolyView(0.4, **options), rows=(2, 3, 17, 300))
    check_loss(lambda a, b: PolyView(0.4, **options)(a, b, a + 1, b), rows=(3,))


def test_views_that_cancel_have_no_mean_and_no_nan():
    z = torch.randn(6, 3, requires_grad=True)
    value = PolyView(rest="mean")(z, z, -z)  # the rest of the first view sums to nothing
    (grad,) = torch.autograd.grad(value, z)
    assert grad.isfinite().all()
    assert grad.abs().max() < 1e3


def test_edges_and_bad_input():
    one = torch.ones(1, 3)
    with pytest.warns(UserWarning, match="no negatives"):
        assert PolyView()(one, one, one).item() == pytest.approx(0, abs=1e-6)
    assert PolyView()(*[torch.zeros(0, 3)] * 3).item() == 0
    with pytest.raises(ValueError, match="at least two views, got 1"):
        PolyView()(one)
    with pytest.raises(ValueError, match="one shape"):
        PolyView()(one, one, torch.ones(2, 3))
    with pytest.raises(ValueError, match="tau must be a number above 0"):
        PolyView(0)
    for bad in ({"form": "mean"}, {"rest": "all"}, {"reduction": "sum"}):
        with pytest.raises(ValueError, match="must be one of"):
            PolyView(**bad)
    with torch.autocast("cpu", torch.bfloat16):
        assert PolyView()(*views(3)).dtype == torch.float64
