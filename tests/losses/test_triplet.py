"""The triplet loss against a float64 double loop."""

import math

import pytest
import torch

from gcl.losses.triplet import Triplet, distances, draw_others
from gcl.testing import check_loss


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def loop(z1, z2, margin, intra=False):
    a, b = z1.tolist(), z2.tolist()
    pairs = [(a, b), (b, a), (a, a), (b, b)] if intra else [(a, b), (b, a)]
    terms = [
        max(0.0, math.dist(a[i], b[i]) - math.dist(q[i], k[j]) + margin)
        for q, k in pairs
        for i in range(len(a))
        for j in range(len(a))
        if i != j
    ]
    return sum(terms) / len(terms)


@pytest.fixture(params=[1 << 22, 20, 1], ids=["one chunk", "two rows", "one row"])
def chunks(request, monkeypatch):
    monkeypatch.setattr("gcl.losses.triplet.PAIRS", request.param)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("intra", [True, False])
def test_double_loop_and_gradient(intra):
    z1, z2 = (z.requires_grad_() for z in views())
    loss = Triplet(0.7, intra=intra)
    assert loss(z1, z2).item() == pytest.approx(loop(z1, z2, 0.7, intra), rel=1e-9)
    assert torch.autograd.gradcheck(loss, (z1[:5, :3], z2[:5, :3]))


def test_as_many_negatives_as_there_are_is_all_and_fewer_agree_on_average():
    z1, z2 = views()
    full = Triplet()(z1, z2)
    assert Triplet(num_negatives=8)(z1, z2) == full
    torch.manual_seed(0)
    sampled = torch.stack([Triplet(num_negatives=3)(z1, z2) for _ in range(500)])
    assert sampled.std() > 0
    assert sampled.mean().item() == pytest.approx(full.item(), rel=0.02)


def test_drawn_rows_are_different_and_never_the_row_itself():
    for n, count in ((2, 1), (7, 3), (7, 6)):
        torch.manual_seed(n)
        others = draw_others(n, count, torch.device("cpu"))
        assert others.shape == (count, n)
        for i, column in enumerate(others.t().tolist()):
            assert len(set(column)) == count
            assert i not in column
            assert set(column) <= set(range(n))
    torch.manual_seed(0)
    hits = torch.zeros(5, 5)
    for _ in range(2000):
        hits[torch.arange(5), draw_others(5, 1, torch.device("cpu"))[0]] += 1
    assert hits.diagonal().sum() == 0
    assert (hits[~torch.eye(5, dtype=torch.bool)] / 2000 - 0.25).abs().max() < 0.05


def test_gradient_of_drawn_negatives():
    def run(a, b):
        torch.manual_seed(3)
        return Triplet(num_negatives=2)(a, b)

    assert torch.autograd.gradcheck(run, [z.requires_grad_() for z in views()])


@pytest.mark.parametrize("num_negatives", [None, 1])
def test_coinciding_rows_pass_finite_gradients(num_negatives):
    z1, z2 = (torch.ones(4, 3, requires_grad=True) for _ in range(2))
    value = Triplet(num_negatives=num_negatives)(z1, z2)
    value.backward()
    assert value.item() == 1  # the margin
    assert z1.grad.isfinite().all()
    assert z2.grad.isfinite().all()


def test_chunks_bound_the_memory(monkeypatch):
    monkeypatch.setattr("gcl.losses.triplet.PAIRS", 2000)
    z1, z2 = (z.requires_grad_() for z in views(200, 3))
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor):
                    sizes.append(x.numel())
            return out

    with Watch():
        Triplet()(z1, z2).backward()
    assert max(sizes) == 2000


@pytest.mark.parametrize("intra", [True, False])
def test_contract(intra):
    check_loss(Triplet(intra=intra))
    check_loss(Triplet(intra=intra, num_negatives=4), draws=True)


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert Triplet()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    assert Triplet()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="margin must be a number above 0"):
        Triplet(0)
    with pytest.raises(ValueError, match="num_negatives must be at least 1"):
        Triplet(num_negatives=0)


@pytest.mark.parametrize("width", [2, 16])
def test_near_rows_far_from_others_keep_the_digits_of_their_distances(width):
    """Two tight groups: products of their rows leave nothing of what is within a group."""
    torch.manual_seed(0)
    place = 1000.0 + 100.0 * (torch.arange(60) % 2)[:, None]
    z1, z2 = (place + 0.01 * torch.randn(60, width) for _ in range(2))
    found = []
    for dtype in (torch.float32, torch.float64):
        u, v = (z.to(dtype).requires_grad_() for z in (z1, z2))
        gap = (u[:, None] - v[None]).square().sum(2).sqrt()
        reach = gap.diagonal() + 0.05
        others = ~torch.eye(60, dtype=torch.bool)
        plain = sum((reach[:, None] - part).relu()[others].mean() / 2 for part in (gap, gap.t()))
        for value in (Triplet(0.05)(u, v), plain):
            found.append([value, *torch.autograd.grad(value, (u, v), retain_graph=True)])
    for mine, oracle in zip(found[0], found[3], strict=True):
        assert (mine - oracle).norm() <= 1e-4 * oracle.norm()


def test_groups_of_many_near_rows_are_compared_by_differences():
    torch.manual_seed(0)
    q, k = (torch.randn(40, 9) * 1e-3 + 5.0 for _ in range(2))
    q[0] = k[0] = -50.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gcl.losses.triplet.PAIRS", 100)
        all_of_them = distances(q, k)
    expected = (q.double()[:, None] - k.double()[None]).square().sum(2).sqrt()
    for found in (distances(q, k), all_of_them):
        assert torch.allclose(found.double(), expected, rtol=1e-5)
