"""The ready rules against weights in plain Python."""

import math
import pickle

import pytest
import torch

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.weights.rules import cluster_pairs, rank_one, without_pairs
from gcl.ops import tiling
from gcl.ops.streaming import streaming_logsumexp
from tests.losses.weights.by_loops import N, views

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
