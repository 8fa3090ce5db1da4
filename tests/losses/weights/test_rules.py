import math
import pickle

import pytest
import torch
from torch.nn.functional import logsigmoid

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.weights.pair_network import PairNetwork
from gcl.losses.weights.rules import cluster_pairs, rank_one, without_pairs
from gcl.ops import tiling
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp
from gcl.testing import check_loss

N = 11
GENERATOR = torch.Generator().manual_seed(0)
STRENGTH = torch.randn(N, generator=GENERATOR, dtype=torch.float64)
OTHER = torch.randn(N, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.randint(3, (2, N), generator=GENERATOR) * 7 - 5
PAIRS = torch.randint(N, (2, 30), generator=GENERATOR)
BOTH = torch.cat([PAIRS, PAIRS.flip(0)], 1)


def listed(pairs):
    return set(map(tuple, pairs.t().tolist()))


RULES = {  # the rule, and W_ij in plain Python
    "team-up": (
        rank_one(STRENGTH, scale=0.7),
        lambda i, j: math.exp(0.7 * float(STRENGTH[i] + STRENGTH[j])),
    ),
    "row and column": (
        rank_one(STRENGTH, OTHER, scale=-2),
        lambda i, j: math.exp(-2 * float(STRENGTH[i] + OTHER[j])),
    ),
    "clusters": (
        cluster_pairs(LABELS),
        lambda i, j: sum(int(c[i] != c[j]) for c in LABELS.tolist()),
    ),
    "directed pairs": (without_pairs(PAIRS, N), lambda i, j: (i, j) not in listed(PAIRS)),
    "undirected pairs": (without_pairs(BOTH, N), lambda i, j: (i, j) not in listed(BOTH)),
    "no pairs": (without_pairs(PAIRS[:, :0], N), lambda i, j: 1),
}
SYMMETRIC = {"team-up", "clusters", "undirected pairs", "no pairs"}


def views(n=N, d=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def double_loop(kind, z1, z2, weight, tau, intra):
    u, v = ([[x / math.hypot(*row) for x in row] for row in z.tolist()] for z in (z1, z2))
    means = []
    for q, k in ((u, v), (v, u)):
        values = []
        for i, anchor in enumerate(q):
            logit = [
                [math.fsum(x * y for x, y in zip(anchor, other, strict=True)) / tau for other in m]
                for m in ((k, q) if intra else (k,))
            ]
            total = math.fsum(
                weight(i, j) * math.exp(row[j]) for row in logit for j in range(len(q)) if j != i
            )
            if kind is InfoNCE:
                total += math.exp(logit[0][i])
            if total:
                values.append(math.log(total) - logit[0][i])
        means.append(math.fsum(values) / len(values))
    return math.fsum(means) / 2


@pytest.mark.parametrize("kind", [InfoNCE, DCL])
@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_double_loop(name, implementation, intra, kind):
    rule, weight = RULES[name]
    z1, z2 = views()
    loss = kind(0.4, log_weight=rule, intra=intra)
    value = double_loop(kind, z1, z2, weight, 0.4, intra)
    assert loss(z1, z2).item() == pytest.approx(value, rel=1e-6 if name == "clusters" else 1e-10)


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_says_of_itself(name):
    rule, weight = RULES[name]
    every = slice(0, N), slice(0, N)
    tile = rule(*every).expand(N, N)
    weights = [[weight(i, j) for j in range(N)] for i in range(N)]
    expected = torch.tensor(weights, dtype=torch.float64).log()
    assert torch.allclose(tile.double(), expected, rtol=1e-6)
    assert rule.symmetric == (name in SYMMETRIC)
    finite = tile[tile.isfinite()].abs()
    assert finite.max() <= rule.bound < math.inf
    clone = pickle.loads(pickle.dumps(rule))
    part = slice(3, 9), slice(5, 11)
    assert torch.equal(clone(*part).expand(6, 6), tile[part])


@pytest.mark.parametrize("tile", [4, 50])
def test_rank_one_trains_its_vectors(tile):
    z1, z2 = views()
    row, col = (v.clone().requires_grad_() for v in (STRENGTH, OTHER))

    def run(*vectors):
        with tiling(implementation="tiled", tile=tile):
            return InfoNCE(0.4, log_weight=rank_one(*vectors, scale=0.7))(z1, z2)

    assert torch.autograd.gradcheck(run, (row,))
    assert torch.autograd.gradcheck(run, (row, col))


def test_infinite_strength_takes_nodes_out():
    z1, z2 = views()
    keep = torch.arange(N) != 3
    gone = rank_one(torch.zeros(N), torch.where(keep, 0.0, -torch.inf))
    assert gone.bound == 0
    pairs = torch.stack([torch.arange(N), torch.full((N,), 3)])
    expected = InfoNCE(log_weight=without_pairs(pairs, N))(z1, z2)
    assert torch.isclose(InfoNCE(log_weight=gone)(z1, z2), expected, rtol=1e-12)


def test_clusterings_that_are_all_alike_or_all_apart():
    z1, z2 = views()
    alone = cluster_pairs(torch.arange(N).repeat(3, 1))
    plain = InfoNCE()(z1, z2), DCL()(z1, z2)
    # All apart three times: weights of 3, which only shift DCL.
    assert torch.isclose(DCL(log_weight=alone)(z1, z2), plain[1] + math.log(3), rtol=1e-6)
    assert DCL(log_weight=cluster_pairs(torch.zeros(1, N, dtype=torch.long)))(z1, z2).item() == 0


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


def test_rules_add_up(implementation):
    z1, z2 = views()
    rule = rank_one(STRENGTH, scale=0.7) + without_pairs(BOTH, N)
    assert rule.symmetric
    value = InfoNCE(0.4, log_weight=rule)(z1, z2)
    first, second = RULES["team-up"][1], RULES["undirected pairs"][1]
    expected = double_loop(InfoNCE, z1, z2, lambda i, j: first(i, j) * second(i, j), 0.4, True)
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_bad_input():
    with pytest.raises(ValueError, match="vectors without NaN"):
        rank_one(torch.tensor([0.0, math.nan]))
    with pytest.raises(ValueError, match="vectors without NaN"):
        rank_one(torch.zeros(2, 2))
    with pytest.raises(TypeError, match="must hold integers"):
        cluster_pairs(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"must be \[g, n\]"):
        cluster_pairs(torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"pairs must lie in \[0, 2\)"):
        without_pairs(torch.tensor([[0], [2]]), 2)
    with pytest.raises(ValueError, match=r"is for \[11, 11\] pairs of rows, got \[12, 12\]"):
        streaming_logsumexp(*views(12), tau=1.0, log_weight=without_pairs(BOTH, N))
    with pytest.raises(ValueError, match="rows of width 4, got 3"):
        PairNetwork(4)(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match="act must be one of 'tanh', 'relu'"):
        PairNetwork(4, act="gelu")


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
