"""The learnt weights against the array of all sums of two rows."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.weights.pair_network import PairNetwork
from gcl.ops import tiling
from gcl.ops.similarity import unit_rows
from gcl.testing import check_loss
from tests.losses.weights.by_loops import views


def dense_network(net, q, k):
    """log W with the [n, m, hidden] array."""
    sums = q[:, None] + k[None]
    hidden = sums @ net.first.weight.t() + net.first.bias
    hidden = hidden.tanh() if net.act == "tanh" else hidden.relu()
    out = hidden @ net.second.weight[0] + net.second.bias
    return out if net.normalize == "softmax" else logsigmoid(out)


def network(act="tanh", normalize="none", d=4):
    torch.manual_seed(0)
    net = PairNetwork(d, 6, act, normalize=normalize).double()
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(4)
    return net


@pytest.mark.parametrize("normalize", ["none", "mean", "softmax"])
@pytest.mark.parametrize("act", ["tanh", "relu"])
@pytest.mark.parametrize(("n", "implementation"), [(70, "tiled"), (9, "dense")])
def test_pair_network_equals_the_dense_form(act, normalize, n, implementation):
    net = network(act, normalize)
    z1, z2 = (z.requires_grad_() for z in views(n))
    inputs = (z1, z2, *net.parameters())
    with tiling(implementation=implementation, tile=16):
        value = InfoNCE(0.4, intra=False, symmetric=False, log_weight=net)(z1, z2)
    q, k = unit_rows(z1), unit_rows(z2)
    weight = dense_network(net, q, k)
    if normalize != "none":
        others = torch.eye(n).bool()
        weight = weight - weight.masked_fill(others, -torch.inf).logsumexp(1, keepdim=True)
        weight = weight + math.log(n - 1)
    logits = q @ k.t() / 0.4
    free = torch.eye(n, dtype=torch.float64)  # the own pair weighs 1
    oracle = (logits + weight * (1 - free)).logsumexp(1).mean() - logits.diagonal().mean()
    assert torch.isclose(value, oracle, rtol=1e-10)
    for mine, other in zip(
        *(torch.autograd.grad(v, inputs, allow_unused=True) for v in (value, oracle)), strict=True
    ):
        scale = other.abs().max()
        if normalize != "none" and scale < 1e-12:  # b2 cancels, all or in part
            scale = 1
        assert (mine - other).abs().max() <= 1e-9 * scale


def test_pair_network_bound_and_mean_weight():
    q, k = (5 * unit_rows(z) for z in views(30))
    for act in ("tanh", "relu"):
        rule = network(act)(q, k)
        tile = rule(slice(0, 30), slice(0, 30))
        assert tile.abs().max() <= rule.bound < math.inf
    weights = network("tanh", "mean")(q, k)(slice(0, 30), slice(0, 30)).exp()
    assert torch.allclose((weights.sum(1) - weights.diagonal()) / 29, torch.ones(30).double())


def test_pair_network_stores_no_array_of_pairs():
    n, tile = 400, 128
    net = PairNetwork(8, normalize="none")
    z1, z2 = (torch.randn(n, 8, requires_grad=True) for _ in range(2))
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor):
                    sizes.append(x.untyped_storage().nbytes())
            return out

    with Watch(), tiling(implementation="tiled", tile=tile):
        InfoNCE(intra=False, log_weight=net)(z1, z2).backward()
    assert max(sizes) <= 8 * tile * tile < 4 * n * n


def test_pair_network_in_losses():
    torch.manual_seed(0)
    check_loss(InfoNCE(0.4, log_weight=PairNetwork(8)))
    check_loss(DCL(0.4, log_weight=PairNetwork(8, normalize="softmax")))
    loss = InfoNCE(log_weight=PairNetwork(8))
    assert {name for name, _ in loss.named_parameters()} == {
        f"log_weight.{layer}.{kind}" for layer in ("first", "second") for kind in ("weight", "bias")
    }
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(*(z.float() for z in views(9, 8)))
    assert torch.isclose(low, loss(*(z.float() for z in views(9, 8))))
    lone = network(normalize="mean")(torch.ones(1, 4), torch.ones(1, 4))
    assert lone(slice(0, 1), slice(0, 1)).isfinite().all()


@pytest.mark.parametrize("size", [1.0, 30.0, 200.0])
def test_pair_network_with_sums_of_any_size(size):
    torch.manual_seed(0)
    q, k = size * torch.randn(5, 4), size * torch.randn(6, 4)
    network = PairNetwork(4, 3, normalize="none")
    found = network(q, k)(slice(0, 5), slice(0, 6))
    hidden = torch.tanh(network.first(q[:, None] + k))
    expected = torch.nn.functional.logsigmoid(network.second(hidden)).squeeze(2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-5, 1e-2])
def test_gradient_of_the_pair_network_for_small_candidates(size):
    torch.manual_seed(0)
    q = torch.randn(5, 4)
    k = (size * torch.randn(6, 4)).requires_grad_()
    net = PairNetwork(4, 3, normalize="none")
    tile = net(q, k)(slice(0, 5), slice(0, 6))
    (found,) = torch.autograd.grad(tile.square().sum(), k)
    (expected,) = torch.autograd.grad(dense_network(net, q, k).square().sum(), k)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="rows of width 4, got 3"):
        PairNetwork(4)(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match="act must be one of 'tanh', 'relu'"):
        PairNetwork(4, act="gelu")
