"""KernelInfoNCE against a double loop over Python floats, and InfoNCE at gamma = 2."""

import math

import pytest
import torch
from torch import nn

from gcl.losses.infonce import InfoNCE
from gcl.losses.kernel_infonce import KernelInfoNCE
from gcl.ops import tiling
from gcl.testing import check_loss


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def side(z1, z2, tau, gamma, intra):
    """Loss of every anchor of z1, from distances of coordinates."""

    def unit(row):
        norm = math.sqrt(sum(x * x for x in row))
        return [x / norm for x in row]

    u, v = ([unit(row) for row in z.tolist()] for z in (z1, z2))

    def k(a, b):
        square = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) + 1e-6
        return math.exp(-(square ** (gamma / 2)) / tau)

    out = []
    for i, a in enumerate(u):
        below = sum(k(a, b) for b in v)
        if intra:
            below += sum(k(a, b) for j, b in enumerate(u) if j != i)
        out.append(-math.log(k(a, v[i]) / below))
    return out


def loop(z1, z2, tau, gamma, intra=True):
    values = side(z1, z2, tau, gamma, intra) + side(z2, z1, tau, gamma, intra)
    return sum(values) / len(values)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.7, 2.0])
def test_double_loop(gamma, intra, implementation):
    z1, z2 = views()
    options = {"gamma": gamma, "intra": intra}
    value = KernelInfoNCE(0.3, **options)(z1, z2)
    assert value.item() == pytest.approx(loop(z1, z2, 0.3, gamma, intra), rel=1e-10)
    each = KernelInfoNCE(0.3, symmetric=False, reduction="none", **options)(z1, z2)
    assert each.tolist() == pytest.approx(side(z1, z2, 0.3, gamma, intra), rel=1e-10)


def test_mixture():
    z1, z2 = views()
    expected = 0.3 * loop(z1, z2, 0.4, 1.0) + 0.7 * loop(z1, z2, 0.4, 2.0)
    assert KernelInfoNCE(0.4, mix=0.3)(z1, z2).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("options", [{"gamma": 2.0}, {"gamma": 0.5, "mix": 0.0}], ids=str)
def test_the_square_is_infonce_at_half_the_temperature(options):
    z1, z2 = views(31)
    z1[3] = 0
    assert torch.allclose(KernelInfoNCE(0.6, **options)(z1, z2), InfoNCE(0.3)(z1, z2), rtol=1e-12)
    # ... also through the kernel's own path, just below the square
    near = KernelInfoNCE(0.6, gamma=2 - 1e-9)(z1, z2)
    assert torch.allclose(near, InfoNCE(0.3)(z1, z2), rtol=1e-7)


@pytest.mark.parametrize("mix", [1.0, 0.4])
def test_gradcheck_with_learned_tau(mix, implementation):
    z1, z2 = (z.requires_grad_() for z in views(6, 3))
    start = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
    loss = KernelInfoNCE(start, gamma=0.7, mix=mix)
    tau = start.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, t: torch.func.functional_call(loss, {"tau": t}, (a, b)), (z1, z2, tau)
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_equal_rows_have_a_small_finite_gradient(gamma, implementation):
    z = torch.randn(1, 4).repeat(20, 1).requires_grad_()
    value = KernelInfoNCE(0.1, gamma=gamma)(z, z)
    (grad,) = torch.autograd.grad(value, z)
    assert value.item() == pytest.approx(math.log(39), rel=1e-2)  # all 39 candidates alike
    assert grad.abs().max() < 0.1


def test_small_tau_in_float32(implementation):
    z1, z2 = (z.float().requires_grad_() for z in views())
    value = KernelInfoNCE(0.005)(z1, z2)
    assert value.item() == pytest.approx(loop(z1, z2, 0.005, 1.0), rel=1e-4)
    assert all(g.isfinite().all() for g in torch.autograd.grad(value, (z1, z2)))


def test_nothing_quadratic_is_made():
    n, tile, sizes = 700, 64, []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor):
                    sizes.append(x.numel())
            return out

    z1, z2 = (torch.randn(n, 4, requires_grad=True) for _ in range(2))
    with Watch(), tiling(implementation="tiled", tile=tile):
        KernelInfoNCE()(z1, z2).backward()
    assert max(sizes) <= max(n * 6, tile * tile)  # two columns more, for the squares


@pytest.mark.parametrize("options", [{}, {"gamma": 0.5, "mix": 0.5, "intra": False}], ids=str)
def test_contract(options):
    check_loss(KernelInfoNCE(0.4, **options), rows=(2, 3, 17, 300))


def test_edges_and_bad_arguments():
    one = torch.ones(1, 3)
    with pytest.warns(UserWarning, match="no negatives"):
        assert KernelInfoNCE()(one, one).item() == pytest.approx(0, abs=1e-6)
    assert KernelInfoNCE(mix=0.5)(one[:0], one[:0]).item() == 0
    for gamma in (0, 2.1, math.nan):
        with pytest.raises(ValueError, match=r"gamma must lie in \(0, 2\]"):
            KernelInfoNCE(gamma=gamma)
    with pytest.raises(ValueError, match=r"mix must lie in \[0, 1\]"):
        KernelInfoNCE(mix=1.5)
