"""SwAV against a double loop in Python floats, with codes from the plain Sinkhorn iteration."""

import math

import pytest
import torch

from gcl.losses.swav import SwAV
from gcl.testing import check_loss


def cosines(z, prototypes):
    def unit(row):
        length = math.sqrt(math.fsum(x * x for x in row))
        return [x / length for x in row]

    rows, centres = [unit(r) for r in z.tolist()], [unit(c) for c in prototypes.tolist()]
    return [[sum(x * y for x, y in zip(r, c, strict=True)) for c in centres] for r in rows]


def codes(scores, eps, iterations):
    q = [[math.exp(s / eps) for s in row] for row in scores]
    for _ in range(iterations):
        columns = [math.fsum(column) for column in zip(*q, strict=True)]
        q = [[x / c for x, c in zip(row, columns, strict=True)] for row in q]
        q = [[x / math.fsum(row) for x in row] for row in q]
    return q


def cross_entropies(targets, scores, tau):
    out = []
    for target, row in zip(targets, scores, strict=True):
        lse = math.log(math.fsum(math.exp(s / tau) for s in row))
        out.append(-math.fsum(q * (s / tau - lse) for q, s in zip(target, row, strict=True)))
    return out


def case(n=9, d=4, k=3, **options):
    torch.manual_seed(n)
    loss = SwAV(d, k, **options).double()
    loss.prototypes.data *= torch.tensor([[0.5], [1.0], [3.0]])[:k]  # lengths must not matter
    return loss, *torch.randn(2, n, d, dtype=torch.float64)


@pytest.mark.parametrize(("tau", "eps", "iterations"), [(0.1, 0.05, 3), (0.3, 0.2, 7)])
def test_double_loop(tau, eps, iterations):
    loss, z1, z2 = case(tau=tau, eps=eps, iterations=iterations, reduction="none")
    a1, a2 = (cosines(z, loss.prototypes) for z in (z1, z2))
    q1, q2 = (codes(a, eps, iterations) for a in (a1, a2))
    forth, back = cross_entropies(q2, a1, tau), cross_entropies(q1, a2, tau)
    expected = [(x + y) / 2 for x, y in zip(forth, back, strict=True)]
    assert loss(z1, z2).tolist() == pytest.approx(expected, rel=1e-10)
    loss.reduction = "mean"
    assert loss(z1, z2).item() == pytest.approx(sum(expected) / 9, rel=1e-10)


def test_gradient_is_that_of_the_loop_with_constant_codes():
    loss, z1, z2 = case()
    q1, q2 = (codes(cosines(z, loss.prototypes), 0.05, 3) for z in (z1, z2))

    def value(a, b, c):
        forth = cross_entropies(q2, cosines(a, c), 0.1)
        return (math.fsum(forth) + math.fsum(cross_entropies(q1, cosines(b, c), 0.1))) / 18

    inputs = [z1.requires_grad_(), z2.requires_grad_(), loss.prototypes]
    grads = torch.autograd.grad(loss(z1, z2), inputs)
    for which, grad in enumerate(grads):
        way = torch.randn_like(grad)
        ends = []
        for step in (1e-6, -1e-6):
            moved = [x.detach() + step * way if i == which else x for i, x in enumerate(inputs)]
            ends.append(value(*moved))
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx((grad * way).sum().item(), rel=1e-6)


def test_swapped_prototypes_cost_one_over_tau():
    loss = SwAV(4, 4, tau=0.05, eps=0.01).double()
    loss.prototypes.data = 2 * torch.eye(4, dtype=torch.float64)
    z = torch.eye(4, dtype=torch.float64)
    assert loss(z, z).item() == pytest.approx(math.log1p(3 * math.exp(-20)), rel=1e-9)
    assert loss(z, z.roll(1, 0)).item() == pytest.approx(20, rel=1e-6)


def test_codes_keep_one_prototype_from_taking_all():
    torch.manual_seed(0)
    loss = SwAV(8, 4)
    z = torch.randn(64, 8)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        loss(z, z).backward()
        optimizer.step()
    nearest = (torch.nn.functional.normalize(loss.prototypes) @ z.t()).argmax(0)
    assert torch.bincount(nearest, minlength=4).min() >= 8


def test_contract():
    torch.manual_seed(0)
    check_loss(SwAV(8, 6), constants=True)


def test_held_prototypes_get_no_gradient():
    loss, z1, z2 = case()
    loss.prototypes.requires_grad_(False)
    z1.requires_grad_()
    loss(z1, z2).backward()
    assert loss.prototypes.grad is None
    assert z1.grad.abs().sum() > 0


def test_low_precision_and_autocast():
    loss, z1, z2 = case()
    expected = loss(z1, z2).item()
    loss.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(z1.float(), z2.float()).item() == pytest.approx(expected, rel=1e-4)
    assert loss(z1.bfloat16(), z2.bfloat16()).dtype == torch.float32
    assert loss(z1, z2).dtype == torch.float64


def test_few_rows():
    loss, z1, z2 = case()
    with pytest.warns(UserWarning, match="no code of its own"):
        assert loss(z1[:1], z2[:1]).item() == 0
    z1.requires_grad_()
    empty = loss(z1[:0], z2[:0])
    empty.backward()
    assert empty.item() == 0
    assert loss(z1[:2], z2[:2]).isfinite()  # fewer rows than prototypes


def test_bad_input():
    with pytest.raises(ValueError, match="num_prototypes must be at least 1, got 0"):
        SwAV(3, 0)
    with pytest.raises(ValueError, match="expected rows of width 3, got 4"):
        SwAV(3, 2)(torch.ones(2, 4), torch.ones(2, 4))
