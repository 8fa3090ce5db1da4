"""CWCL against a double loop over Python floats, and its two ends: InfoNCE and no positives."""

import math

import pytest
import torch
from torch import nn

from gcl.losses.cwcl import CWCL
from gcl.losses.infonce import InfoNCE
from gcl.testing import check_loss


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


PAIRS = torch.tensor([[0, 0, 1, 1, 3, 4, 8, 8], [0, 5, 1, 0, 3, 2, 8, 1]])
WEIGHT = torch.tensor([1.0, 0.25, 1.0, 0.5, 1.0, 0.7, 1.0, 0.0], dtype=torch.float64)


def loop(z1, z2, tau, pairs, weight):
    n, w = len(z1), {}
    for i, j, x in zip(*pairs.tolist(), weight.tolist(), strict=True):
        w[i, j] = w.get((i, j), 0.0) + x

    def unit(row):
        norm = math.sqrt(sum(x * x for x in row))
        return [x / norm for x in row]

    u, v = ([unit(row) for row in z.tolist()] for z in (z1, z2))
    logit = [[sum(x * y for x, y in zip(a, b, strict=True)) / tau for b in v] for a in u]
    forth = []
    for i in range(n):
        total = sum(w.get((i, j), 0.0) for j in range(n))
        if total:
            below = sum(map(math.exp, logit[i]))
            shares = [math.log(math.exp(x) / below) for x in logit[i]]
            forth.append(-sum(w.get((i, j), 0.0) * shares[j] for j in range(n)) / total)
    back = [math.log(sum(math.exp(logit[i][j]) for i in range(n))) - logit[j][j] for j in range(n)]
    return (sum(forth) / len(forth) + sum(back) / n) / 2


def test_double_loop(implementation):
    z1, z2 = views()
    loss = CWCL(0.3)
    expected = loop(z1, z2, 0.3, PAIRS, WEIGHT)
    assert loss(z1, z2, PAIRS, WEIGHT).item() == pytest.approx(expected, rel=1e-10)
    # the soft direction is that of the first view
    assert abs(loss(z2, z1, PAIRS.flip(0), WEIGHT).item() - expected) > 1e-3
    again = loss(z1, z2, PAIRS[:, :5])
    assert again.item() == pytest.approx(loop(z1, z2, 0.3, PAIRS[:, :5], torch.ones(5)), rel=1e-10)


def test_identity_weights_are_infonce_between_the_views():
    z1, z2 = views(31)
    itself = torch.arange(31).repeat(2, 1)
    expected = InfoNCE(0.3, intra=False)(z1, z2)
    assert torch.allclose(CWCL(0.3)(z1, z2, itself, torch.full((31,), 0.7)), expected, rtol=1e-12)
    assert torch.allclose(CWCL(0.3)(z1, z2), expected, rtol=1e-12)


def test_gradcheck_in_everything(implementation):
    z1, z2 = (z.requires_grad_() for z in views(9, 3))
    start = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
    loss = CWCL(start)
    assert [name for name, _ in loss.named_parameters()] == ["one_way.tau"]
    tau = start.detach().clone().requires_grad_()
    weight = (WEIGHT + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, t, w: torch.func.functional_call(loss, {"one_way.tau": t}, (a, b, PAIRS, w)),
        (z1, z2, tau, weight),
    )


def test_contract():
    check_loss(CWCL(0.4), rows=(2, 3, 17, 300))

    def with_positives(a, b):
        n = len(a)
        if a.shape != b.shape:
            return CWCL(0.4)(a, b)
        every = torch.cartesian_prod(torch.arange(n), torch.arange(n)).t()
        return CWCL(0.4)(a, b, every, 0.01 + 0.99 * (every[0] == every[1]).double())

    check_loss(with_positives)


def test_no_positive_at_all_leaves_the_other_direction():
    z1, z2 = (z.requires_grad_() for z in views())
    value = CWCL()(z1, z2, torch.zeros(2, 0, dtype=torch.long), torch.zeros(0))
    one = InfoNCE(0.4, intra=False, symmetric=False)(z2, z1)
    assert value.item() == pytest.approx(one.item() / 2, rel=1e-12)
    with pytest.warns(UserWarning, match="no negatives"):
        assert CWCL()(z1[:1], z2[:1]).item() == pytest.approx(0, abs=1e-6)


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
        CWCL()(z, z, torch.tensor([[0], [3]]), torch.ones(1))
    with pytest.raises(ValueError, match="one a pair"):
        CWCL()(z, z, torch.tensor([[0], [1]]), torch.tensor([-1.0]))
