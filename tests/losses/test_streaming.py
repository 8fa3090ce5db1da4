"""The tiled log-sum-exp against a float64 double loop, and what it stores."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from gcl.losses import two_view_logsumexp
from functools import partial

dense_two_view_logsumexp = partial(two_view_logsumexp, implementation="dense")


def loop(u, v, tau, intra):
    """Row denominators by two nested loops over Python floats."""
    out = []
    for i in range(len(u)):
        logits = [float(u[i] @ v[j]) / tau for j in range(len(v))]
        if intra:
            logits += [float(u[i] @ u[j]) / tau for j in range(len(u)) if j != i]
        top = max(logits)
        out.append(top + math.log(math.fsum(math.exp(x - top) for x in logits)))
    return torch.tensor(out, dtype=torch.float64)


def views(n, d, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        normalize(torch.randn(n, d, generator=generator, dtype=torch.float64)).to(dtype)
        for _ in range(2)
    ]


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("tau", [0.4, 0.05, 0.005])
@pytest.mark.parametrize(("n", "tile"), [(23, 5), (7, 512), (2, 1), (1, 4)])
def test_values_equal_the_double_loop(n, tile, tau, intra):
    u, v = views(n, 6)
    forth, back = two_view_logsumexp(u, v, tau, intra=intra, tile=tile)
    assert torch.allclose(forth, loop(u, v, tau, intra), rtol=1e-12, atol=1e-12)
    assert torch.allclose(back, loop(v, u, tau, intra), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("tau", [0.4, 0.01])
def test_gradients_of_both_views_and_tau_pass_gradcheck(tau, intra):
    u, v = (z.requires_grad_() for z in views(9, 4))
    tau = torch.tensor(tau, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *args: two_view_logsumexp(*args, intra=intra, tile=4), (u, v, tau), eps=1e-7
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", [0.5, 0.1, 0.01])
def test_tiled_equals_dense_to_1e_5(tau, dtype):
    weight = torch.linspace(-1, 1, 301, dtype=dtype)
    answers = []
    for run in (two_view_logsumexp, dense_two_view_logsumexp):
        u, v = (z.requires_grad_() for z in views(301, 16, dtype))
        kind = {"tile": 64} if run is two_view_logsumexp else {}
        forth, back = run(u, v, tau, **kind)
        loss = (weight * forth).sum() + (weight.flip(0) * back).sum()
        answers.append([loss, *torch.autograd.grad(loss, (u, v))])
    for mine, oracle in zip(*answers, strict=True):
        assert (mine - oracle).abs().max() <= 1e-5 * oracle.abs().max()


def test_unbounded_rows_take_the_running_maximum():
    u, v = (30 * z for z in views(11, 5))
    forth, _ = two_view_logsumexp(u, v, 0.1, tile=4)  # logits of up to 9000
    assert torch.allclose(forth, loop(u, v, 0.1, True), rtol=1e-12)


def test_no_square_array_is_stored_or_even_made():
    n, tile = 1500, 128
    u, v = (z.requires_grad_() for z in views(n, 4, torch.float32))
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor):
                    sizes.append(x.untyped_storage().nbytes())
            return out

    with Watch():
        forth, back = two_view_logsumexp(u, v, 0.4, tile=tile)
        (forth + back).sum().backward()
    assert max(sizes) <= 4 * max(2 * n * 4, tile * tile)


def test_second_derivative_is_refused():
    u, v = (z.requires_grad_() for z in views(5, 3))
    forth, _ = two_view_logsumexp(u, v, 0.4)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(forth.sum(), u, create_graph=True)


def test_autocast_keeps_float32():
    u, v = views(8, 4, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        forth, _ = two_view_logsumexp(u, v, 0.05)
    assert forth.dtype == torch.float32
    assert torch.allclose(forth, two_view_logsumexp(u, v, 0.05)[0])
