"""Fused denominators of several views against a float64 double loop."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from gcl.ops import multi_view, tiling
from gcl.ops.log_weight import LogWeight
from gcl.ops.multi_view import log_add, multi_view_logsumexp, two_view_logsumexp

F64 = torch.float64


def views(n, d, count=2, dtype=F64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        normalize(torch.randn(n, d, generator=generator, dtype=F64)).to(dtype) for _ in range(count)
    ]


def within(how, run, *args, precision=None, **options):
    """In tiles of so many rows, or "dense"."""
    kind, tile = ("dense", None) if how == "dense" else ("tiled", how)
    with tiling(implementation=kind, tile=tile, precision=precision):
        return run(*args, **options)


def loop(views, a, tau, intra, exclude, weight=None):
    """Denominators of view a by nested loops over Python floats."""
    out = []
    for i in range(len(views[a])):
        logits = []
        for b, other in enumerate(views):
            if a == b and not intra:
                continue
            for j in range(len(other)):
                if i == j and (a == b or exclude):
                    continue
                at = tau[i] if isinstance(tau, list) else tau
                extra = 0.0 if weight is None else weight(i, j)
                logits.append(float(views[a][i] @ other[j]) / at + extra)
        if not logits:
            out.append(-math.inf)
            continue
        top = max(logits)
        out.append(top + math.log(math.fsum(math.exp(x - top) for x in logits)))
    return torch.tensor(out, dtype=F64)


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("tau", [0.4, 0.05, 0.005])
@pytest.mark.parametrize(("n", "tile"), [(23, 5), (7, 512), (2, 1), (1, 4)])
def test_values_equal_the_double_loop(n, tile, tau, intra, exclude):
    both = views(n, 6)
    for implementation in ("tiled", "dense"):
        with tiling(implementation=implementation, tile=tile):
            result = two_view_logsumexp(*both, tau, intra=intra, exclude=exclude)
        for a in (0, 1):
            expected = loop(both, a, tau, intra, exclude)
            assert torch.allclose(result[a], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("exclude", [True, False])
def test_three_views(intra, exclude):
    three = views(11, 4, count=3)
    result = within(4, multi_view_logsumexp, three, 0.3, intra=intra, exclude=exclude)
    for a in range(3):
        assert torch.allclose(result[a], loop(three, a, 0.3, intra, exclude), rtol=1e-12)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bound", [4.0, math.inf])
def test_weights_by_the_double_loop(symmetric, bound):
    both = views(13, 4)
    s = torch.linspace(-1, 1, 13, dtype=F64)
    slope = 1.0 if symmetric else 0.5  # without symmetry, the same rule reads otherwise mirrored
    rule = LogWeight(
        lambda i, j, s: s[i, None] + slope * s[None, j], s, symmetric=symmetric, bound=bound
    )
    result = within(5, two_view_logsumexp, *both, 0.4, log_weight=rule)
    for a in (0, 1):
        expected = loop(both, a, 0.4, True, False, lambda i, j: float(s[i] + slope * s[j]))
        assert torch.allclose(result[a], expected, rtol=1e-12)


def test_a_temperature_for_every_node():
    both = views(9, 4)
    tau = torch.linspace(0.1, 1, 9, dtype=F64)
    result = within(4, two_view_logsumexp, *both, tau)
    for a in (0, 1):
        assert torch.allclose(result[a], loop(both, a, tau.tolist(), True, False), rtol=1e-12)


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("tau", [0.4, 0.01])
def test_gradients_of_views_tau_and_weights(tau, intra, exclude):
    u, v = (z.requires_grad_() for z in views(9, 4))
    tau = torch.tensor(tau, dtype=F64, requires_grad=True)
    s = torch.linspace(-1, 1, 9, dtype=F64).requires_grad_()

    def run(u, v, tau, s):
        rule = LogWeight(
            lambda i, j, s: torch.cos(s[i, None] + s[None, j]), s, symmetric=True, bound=1
        )
        return within(
            4, two_view_logsumexp, u, v, tau, intra=intra, exclude=exclude, log_weight=rule
        )

    assert torch.autograd.gradcheck(run, (u, v, tau, s), eps=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("tau", [0.5, 0.1, 0.01])
def test_tiled_equals_dense_to_1e_5(tau, dtype):
    weight = torch.linspace(-1, 1, 301, dtype=dtype)
    answers = []
    for how in (64, "dense"):
        u, v = (z.requires_grad_() for z in views(301, 16, dtype=dtype))
        forth, back = within(how, two_view_logsumexp, u, v, tau)
        loss = (weight * forth).sum() + (weight.flip(0) * back).sum()
        answers.append([forth, back, *torch.autograd.grad(loss, (u, v))])
    for mine, oracle in zip(*answers, strict=True):
        assert (mine - oracle).abs().max() <= 1e-5 * oracle.abs().max()


@pytest.mark.parametrize(("tau", "error"), [(0.5, 2e-3), (0.4, 2e-3), (0.2, 2e-3)])
def test_bfloat16_products_keep_their_promise(tau, error):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(5, 64, generator=generator, dtype=F64)
    base = centres[torch.arange(900) % 5] + torch.randn(900, 64, generator=generator, dtype=F64)
    noisy = [base + 0.5 * torch.randn(900, 64, generator=generator, dtype=F64) for _ in range(2)]
    grads = []
    for dtype, precision in ((F64, "fp32"), (torch.float32, "bf16"), (torch.float32, "fp32")):
        u, v = (normalize(z).to(dtype).requires_grad_() for z in noisy)
        forth, back = within(None, two_view_logsumexp, u, v, tau, precision=precision)
        loss = (forth + back).mean() / 2 - (u * v).sum(1).mean() / tau
        grads.append(torch.autograd.grad(loss, u)[0].double())
    exact, low, high = grads
    assert (high - exact).norm() <= 1e-5 * exact.norm()
    # 3e-5 is above what float32 does: the products are rounded indeed
    assert 3e-5 * exact.norm() <= (low - exact).norm() <= error * exact.norm()


@pytest.mark.parametrize("budget", [0, 700, 4000, 1 << 20])
def test_any_share_of_kept_powers_gives_the_same(budget, monkeypatch):
    monkeypatch.setattr(multi_view, "KEPT_BYTES", budget)
    u, v = (z.requires_grad_() for z in views(23, 4))  # tiles of 4 and 5 rows
    results = []
    for how in (5, "dense"):
        loss = sum(
            lse.cos().sum() for lse in within(how, two_view_logsumexp, u, v, 0.4, exclude=True)
        )
        results.append(torch.autograd.grad(loss, (u, v), retain_graph=True))
        again = torch.autograd.grad(loss, (u, v))
        assert all(torch.equal(a, b) for a, b in zip(results[-1], again, strict=True))
    for mine, oracle in zip(*results, strict=True):
        assert torch.allclose(mine, oracle, rtol=1e-10)


def test_kept_powers_go_with_the_backward_pass():
    u, v = (z.requires_grad_() for z in views(9, 4))
    loss = within(4, two_view_logsumexp, u, v, 0.4)[0].sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_unbounded_rows_take_the_running_maximum():
    u, v = (30 * z for z in views(11, 5))
    forth, _ = within(4, two_view_logsumexp, u, v, 0.1)  # logits of up to 9000
    assert torch.allclose(forth, loop([u, v], 0, 0.1, True, False), rtol=1e-12)


def test_a_row_without_candidates_sends_no_gradient():
    u, v = (z.requires_grad_() for z in views(6, 3))
    alone = LogWeight(
        lambda i, j: torch.where(
            (torch.arange(6)[i, None] > 1) & (torch.arange(6)[None, j] > 1), 0.0, -math.inf
        ),
        symmetric=True,
    )
    for how in (2, "dense"):
        forth, _ = within(how, two_view_logsumexp, u, v, 0.4, log_weight=alone)
        assert forth.isneginf().tolist() == [True, True, False, False, False, False]
        (grad,) = torch.autograd.grad(forth[2:].sum(), u)
        assert grad.isfinite().all()
        assert grad[:2].abs().max() == 0


def test_log_add_of_nothing():
    a = torch.tensor([-math.inf, 0.0, 1000.0], requires_grad=True)
    b = torch.tensor([-math.inf, 0.0, -math.inf], requires_grad=True)
    out = log_add(a, b)
    assert out.tolist() == pytest.approx([-math.inf, math.log(2), 1000])
    out[1:].sum().backward()
    assert a.grad.tolist() == pytest.approx([0, 0.5, 1])


def test_no_rows():
    z = torch.zeros(0, 3)
    assert [lse.shape for lse in within(4, two_view_logsumexp, z, z, 0.4)] == [(0,), (0,)]


@pytest.mark.parametrize("tau", [0.0, -0.3, torch.tensor(-1.0), float("nan")])
def test_a_temperature_that_is_not_above_0(tau):
    u, v = views(5, 3)
    for how in (2, "dense"):
        with pytest.raises(ValueError, match="tau must be above 0"):
            within(how, two_view_logsumexp, u, v, tau)
