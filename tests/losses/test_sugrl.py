"""SUGRL's loss against plain loops over all negatives."""

import math

import pytest
import torch

from gcl.losses.sugrl import SUGRL
from gcl.testing import check_loss

WEIGHTS = {"m1": 0.5, "m2": 0.3, "w1": 3.0, "w2": 2.0, "w3": 0.7}


def views(n=9, d=5, count=3):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(count)]


def loop(anchor, *positives, m1, m2, w1, w2, w3):
    a, positives, n = anchor.tolist(), [p.tolist() for p in positives], len(anchor)
    total = 0.0
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            far = math.dist(a[i], a[j])
            for w, p in zip((w1, w2), positives, strict=False):
                total += w * max(0.0, math.dist(a[i], p[i]) - far + m1) / n
            total += w3 * max(0.0, far - math.dist(a[i], positives[0][i]) - m1 - m2) / (n - 1)
    return total


@pytest.mark.parametrize("count", [1, 2])
def test_all_negatives_by_loops(count):
    rows = views()[: count + 1]
    expected = loop(*rows, **WEIGHTS)
    assert SUGRL(**WEIGHTS, num_negatives=8)(*rows).item() == pytest.approx(expected, rel=1e-9)
    assert SUGRL(**WEIGHTS, num_negatives=99)(*rows).item() == pytest.approx(expected, rel=1e-9)


def test_drawn_negatives_agree_on_average():
    rows = views()
    torch.manual_seed(0)
    few = SUGRL(**WEIGHTS, num_negatives=2)
    mean = torch.stack([few(*rows) for _ in range(1000)]).mean().item()
    # The first two lines are sums over the negatives, the last is a mean.
    pull, bound = (loop(*rows, **(WEIGHTS | off)) for off in ({"w3": 0.0}, {"w1": 0.0, "w2": 0.0}))
    assert mean == pytest.approx(pull * 2 / 8 + bound, rel=0.02)


def test_gradient_stops_at_the_first_positive_in_the_bound():
    anchor, positive = (z.requires_grad_() for z in views(count=2))
    only_bound = SUGRL(**(WEIGHTS | {"w1": 0.0}), num_negatives=8)
    grad = torch.autograd.grad(only_bound(anchor, positive), (anchor, positive))
    assert grad[1].abs().max() == 0
    assert grad[0].abs().max() > 0

    def constant_limit(a):
        """The bound with the distance to the positive as a number."""
        near = (anchor - positive).norm(dim=1).detach()
        off = ~torch.eye(9, dtype=torch.bool)
        far = (a[:, None] - a).square().sum(2)[off].sqrt().view(9, 8)
        return 0.7 * (far - near[:, None] - 0.8).clamp(min=0).sum() / 8

    expected = torch.autograd.grad(constant_limit(anchor), anchor)[0]
    assert torch.allclose(grad[0], expected, rtol=1e-9)


def test_gradcheck_of_the_other_terms():
    def run(*rows):
        torch.manual_seed(5)
        return SUGRL(**(WEIGHTS | {"w3": 0.0}), num_negatives=3)(*rows)

    assert torch.autograd.gradcheck(run, [z.requires_grad_() for z in views()])


def test_coinciding_rows_pass_finite_gradients():
    z = torch.ones(4, 3, requires_grad=True)
    value = SUGRL()(z, z, z)
    value.backward()
    assert value.item() == pytest.approx(3 * 20 * 0.8)  # 3 negatives, two weights of 10
    assert z.grad.isfinite().all()


def test_contract():
    # A wide bound is never reached. The published one is, by negatives of views that agree.
    check_loss(SUGRL(m2=100.0), draws=True)
    check_loss(SUGRL(), draws=True, constants=True, compares=False)


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert SUGRL()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert SUGRL()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="w3 must be a number of at least 0"):
        SUGRL(w3=-1.0)
    with pytest.raises(ValueError, match="m1 must be a number above 0"):
        SUGRL(m1=0.0)
    with pytest.raises(ValueError, match="num_negatives must be at least 1"):
        SUGRL(num_negatives=0)
    with pytest.raises(ValueError, match="one shape"):
        SUGRL()(z, z, z[:2])
