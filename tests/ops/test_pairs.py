import math

import pytest
import torch
from scipy.special import logsumexp

from gcl.ops.pairs import known_pairs, pair_dots, segment_logsumexp
from tests.other_device import OTHER, other_device

ROWS = torch.tensor([2, 0, 2, 2, 1, 0, 2])  # unsorted, row 3 absent
COLS = torch.tensor([1, 4, 1, 0, 3, 0, 4])  # one pair twice


def matrices():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_() for n in (4, 5)
    ]


@pytest.mark.parametrize("sort", [True, False])
def test_dots_and_their_gradients(sort):
    q, k = matrices()
    order = ROWS.argsort(stable=True) if sort else torch.arange(7)
    rows, cols = ROWS[order], COLS[order]
    dots = pair_dots(q, k, rows, cols)
    loop = [
        math.fsum(a * b for a, b in zip(q[i].tolist(), k[j].tolist(), strict=True))
        for i, j in zip(rows, cols, strict=True)
    ]
    assert dots.tolist() == pytest.approx(loop, rel=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: pair_dots(a, b, rows, cols), (q, k))
    assert torch.autograd.gradcheck(lambda a: pair_dots(a, a, rows % 4, cols % 4), q)


def test_known_dots_are_taken_and_have_the_same_gradient():
    q, k = matrices()
    dots = pair_dots(q, k, ROWS, COLS)
    known = pair_dots(q, k, ROWS, COLS, known=dots.detach() + 1)
    assert torch.equal(known, dots + 1)
    for mine, other in zip(
        *(torch.autograd.grad(d.sin().sum(), (q, k)) for d in (known - 1, dots)), strict=True
    ):
        assert torch.allclose(mine, other, rtol=1e-12)


def test_no_pairs():
    q, k = matrices()
    dots = pair_dots(q, k, ROWS[:0], COLS[:0])
    assert dots.shape == (0,)
    assert torch.autograd.grad(dots.sum(), q)[0].abs().sum() == 0


def test_rows_of_all_pairs_never_exist_at_once():
    p, d = 40_000, 64
    q, k = (torch.randn(50, d, requires_grad=True) for _ in range(2))
    rows, cols = torch.randint(50, (2, p))
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor) and x.layout == torch.strided:
                    sizes.append(x.numel())
            return out

    with Watch():
        pair_dots(q, k, rows, cols).sum().backward()
    assert max(sizes) <= 1 << 18 < p * d


def test_half_precision_and_autocast_are_raised_to_float32():
    q, k = torch.randn(3, 8).bfloat16(), torch.randn(3, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        dots = pair_dots(q, k, torch.arange(3), torch.arange(3))
    assert dots.dtype == torch.float32
    assert torch.allclose(dots, (q.float() * k.float()).sum(1))


def test_second_derivative_and_bad_lists_are_refused():
    q, k = matrices()
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(pair_dots(q, k, ROWS, COLS).sum(), q, create_graph=True)
    with pytest.raises(ValueError, match=r"one length, got \[7\] and \[3\]"):
        pair_dots(q, k, ROWS, COLS[:3])


def test_segments():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(6, (20,), generator=generator)
    rows[rows == 4] = 5  # row 4 has none
    logits = torch.randn(20, generator=generator, dtype=torch.float64) * 500  # exp overflows
    logits[rows == 1] = -torch.inf
    lse = segment_logsumexp(logits, rows, 6)
    expected = [logsumexp(logits[rows == i].numpy()) if (rows == i).any() else -math.inf
                for i in range(6)]  # fmt: skip
    assert lse.tolist() == pytest.approx(expected, rel=1e-12)

    def finite(x):
        return segment_logsumexp(x, rows, 6)[[0, 2, 3, 5]]

    small = torch.randn(20, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(finite, small)
    logits.requires_grad_()
    lse = segment_logsumexp(logits, rows, 6)
    assert torch.autograd.grad(lse[lse.isfinite()].sum(), logits)[0].isfinite().all()


def test_segment_logsumexp_with_weights():
    logits = torch.tensor([0.5, 900.0, -1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([2.0, 0.0, 0.5, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    rows = torch.tensor([0, 0, 0, 1, 2])
    out = segment_logsumexp(logits, rows, 3, weight)
    first = math.log(2 * math.exp(0.5) + 0.5 * math.exp(-1))
    assert out.tolist() == pytest.approx([first, 2.0, -math.inf], rel=1e-12)
    grads = torch.autograd.grad(out[:2].sum(), (logits, weight))
    assert all(g.isfinite().all() for g in grads)
    assert grads[0][0].item() == pytest.approx(2 * math.exp(0.5 - first), rel=1e-12)
    assert grads[1][2].item() == pytest.approx(math.exp(-1 - first), rel=1e-12)


def test_pairs_are_checked_once_and_again_after_a_change():
    with other_device() as watch:
        pairs, weight = torch.tensor([[0, 1], [1, 2]]).to(OTHER), torch.ones(2).to(OTHER)
        with watch.step():
            known_pairs("Loss", pairs, weight, 3)
            first = watch.waited
            known_pairs("Loss", pairs, weight, 3)
            assert watch.waited == first > 0
        with pytest.raises(ValueError, match=r"Loss: pos_edge_index must lie in \[0, 2\)"):
            known_pairs("Loss", pairs, weight, 2)
        weight[0] = -1
        for _ in range(2):  # what was wrong is not remembered as right
            with pytest.raises(ValueError, match="Loss: pos_weight must hold 2 finite numbers"):
                known_pairs("Loss", pairs, weight, 3)
    with pytest.raises(TypeError, match="Loss: pos_weight must be a tensor, got list"):
        known_pairs("Loss", torch.zeros(2, 1, dtype=torch.long), [1.0], 3)
