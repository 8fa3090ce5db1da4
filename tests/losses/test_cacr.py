"""CACR against plain Python loops."""

import math
from itertools import permutations

import pytest
import torch

from gcl.losses.cacr import CACR
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5, count=3):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(count)]


def weighted(costs, t):
    """Mean of the costs under softmax(t * cost)."""
    weight = [math.exp(t * c) for c in costs]
    return sum(w * c for w, c in zip(weight, costs, strict=True)) / sum(weight)


def loop(*views, alpha, beta, t_pos, t_neg, tau_plus=0.0, pairs=None):
    rows = [[row.tolist() for row in z] for z in views]
    rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]
    n, count = len(views[0]), len(views)
    pairs = [(i, i) for i in range(n)] if pairs is None else pairs
    pull = []
    for a in range(count):
        each = []
        for i in range(n):
            costs = []
            for b in range(count):
                for p, q in pairs if b != a else ():
                    here, there = (p, q) if a < b else (q, p)
                    if here == i:
                        costs.append(math.dist(rows[a][i], rows[b][there]) ** 2)
            if costs:
                each.append(alpha * weighted(costs, t_pos))
        pull.append(sum(each) / len(each) if each else 0.0)
    push = []
    for x, y in permutations(rows, 2):
        for i in range(n):
            away = weighted([math.dist(x[i], y[j]) ** 2 for j in range(n) if j != i], -t_neg)
            own = math.dist(x[i], y[i]) ** 2
            push.append((-beta * away + tau_plus * beta * own) / (1 - tau_plus))
    return sum(pull) / count + sum(push) / len(push)


NUMBERS = {"alpha": 1.3, "beta": 0.6, "t_pos": 1.5, "t_neg": 0.8}
PAIRS = [(0, 0), (0, 3), (1, 1), (4, 2), (8, 3), (0, 5)]


@pytest.mark.parametrize("tau_plus", [0.0, 0.1])
@pytest.mark.parametrize("pairs", [None, PAIRS, []])
@pytest.mark.parametrize("count", [2, 3])
def test_loops(count, pairs, tau_plus, implementation):
    z = views(count=count)
    loss = CACR(**NUMBERS, tau_plus=tau_plus)
    edges = None if pairs is None else torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
    expected = loop(*z, **NUMBERS, tau_plus=tau_plus, pairs=pairs)
    assert loss(*z, pos_edge_index=edges).item() == pytest.approx(expected, rel=1e-9)


def test_gradient(implementation):
    loss = CACR(**NUMBERS, tau_plus=0.1)
    edges = torch.tensor([(0, 0), (0, 3), (4, 2), (1, 3)]).t()
    inputs = [z.requires_grad_() for z in views(5, 3)]
    assert torch.autograd.gradcheck(lambda *z: loss(*z, pos_edge_index=edges), inputs)


def test_detached_weights_keep_the_value_and_are_constants(implementation):
    z1, z2 = (z.requires_grad_() for z in views(count=2))
    loss = CACR(detach_weights=True)
    assert loss(z1, z2).item() == pytest.approx(CACR()(z1, z2).item(), rel=1e-12)
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (z1, z2))
    cost, off = 2 - 2 * u @ v.T, ~torch.eye(9, dtype=torch.bool)
    expected = cost.diagonal().mean()
    for c in (cost, cost.T):
        c = c[off].view(9, 8)
        expected = expected - ((-0.9 * c.detach()).softmax(1) * c).sum(1).mean() / 2
    grads = [torch.autograd.grad(value, (z1, z2)) for value in (loss(z1, z2), expected)]
    for mine, oracle in zip(*grads, strict=True):
        assert torch.allclose(mine, oracle, rtol=1e-8, atol=1e-10)


def test_debiasing_pulls_the_node_s_own_pair():
    z = torch.eye(6, dtype=torch.float64)
    apart = z.roll(1, 0)
    plain, debiased = ([CACR(tau_plus=t)(z, y).item() for y in (z, apart)] for t in (0.0, 0.1))
    assert debiased[1] - debiased[0] > plain[1] - plain[0]


@pytest.mark.parametrize("options", [{}, {"tau_plus": 0.1}])
def test_contract(options, implementation):
    check_loss(CACR(**options))
    check_loss(CACR(**options, detach_weights=True), constants=True)


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert CACR()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert CACR()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="at least 2 views, got 1"):
        CACR()(z)
    with pytest.raises(ValueError, match="one shape"):
        CACR()(z, z, z[:2])
    with pytest.raises(ValueError, match=r"tau_plus must lie in \[0, 1\)"):
        CACR(tau_plus=1.0)
    with pytest.raises(ValueError, match="t_neg must be a number above 0"):
        CACR(t_neg=0.0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
        CACR()(z, z, pos_edge_index=torch.tensor([[0], [3]]))
