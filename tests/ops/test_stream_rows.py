"""How rows are streamed: what is stored, in which precision, and how often."""

import math

import pytest
import torch

from gcl.ops.log_weight import LogWeight
from gcl.ops.stream_rows import as_tau, as_vector, check_exclude, dense_logits, stream_rows
from gcl.ops.streaming import streaming_logsumexp, streaming_softmax_mean, streaming_softplus
from tests.ops.by_loops import F64, IMPLEMENTATIONS, Watch, logits_by_loop, rows, within


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("run", [streaming_logsumexp, streaming_softplus, streaming_softmax_mean])
def test_no_square_array_is_made(run, precision):
    n, tile = 1500, 128
    q, k = (rows(n, 4, torch.float32, s).requires_grad_() for s in (0, 1))
    option = {} if run is streaming_softplus else {"tau": 0.4}
    with Watch() as watch:
        within({"tile": tile, "precision": precision}, run, q, k, **option).sum().backward()
    assert watch.largest <= 4 * max(n * 4, tile * tile)


def test_a_rule_is_asked_for_tiles_only():
    asked = []

    def rule(i, j):
        asked.append((i.stop - i.start, j.stop - j.start))
        return torch.zeros(1, 1)

    q = rows(50, 3, torch.float32).requires_grad_()
    lse = within(
        {"implementation": "tiled", "tile": 16},
        streaming_logsumexp,
        q,
        q,
        tau=1.0,
        log_weight=LogWeight(rule),
    )
    lse.sum().backward()
    assert max(max(shape) for shape in asked) <= 16
    assert asked[0] == (1, 1)  # a look at one corner, then forward and backward
    assert sum(a * b for a, b in asked[1:]) == 2 * 50 * 50


def test_large_logits_in_single_precision():
    q, k = (1000 * rows(50, 8, torch.float32, seed) for seed in (0, 1))
    grads = []
    for dtype, how in ((F64, "dense"), (torch.float32, "tiled")):
        a, b = q.to(dtype).requires_grad_(), k.to(dtype)
        out = within({"implementation": how, "tile": 16}, streaming_logsumexp, a, b, tau=0.4)
        grads.append(torch.autograd.grad(out.sum(), a)[0].double())
    assert (grads[1] - grads[0]).norm() <= 1e-5 * grads[0].norm()


def test_second_derivative_is_refused():
    q, k = rows(5, 3).requires_grad_(), rows(5, 3)
    out = within({"implementation": "tiled"}, streaming_logsumexp, q, k, tau=0.4)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(out.sum(), q, create_graph=True)
    dense = within({"implementation": "dense"}, streaming_logsumexp, q, k, tau=0.4)
    (grad,) = torch.autograd.grad(dense.sum(), q, create_graph=True)
    grad.square().sum().backward()


def test_autocast_keeps_float32():
    q = rows(8, 4, torch.float32)
    for how in IMPLEMENTATIONS:
        with torch.autocast("cpu", torch.bfloat16):
            out = within(how, streaming_logsumexp, q, q, tau=0.05)
        assert out.dtype == torch.float32
        assert torch.equal(out, within(how, streaming_logsumexp, q, q, tau=0.05))


def test_half_precision_input_is_raised_to_float32():
    q = rows(30, 4, torch.bfloat16)
    out = within({"implementation": "tiled", "tile": 8}, streaming_logsumexp, q, q, tau=0.4)
    assert out.dtype == torch.float32
    assert torch.allclose(out, streaming_logsumexp(q.float(), q.float(), tau=0.4))


class SumOfSquares:
    """A reduction as a user may write one."""

    unit, scale = 1.0, 3.0

    def start(self, rows, like, bounded):
        return like.new_zeros(rows)

    def add(self, state, tile, rows):
        return state + tile.square().sum(1)

    def finish(self, state):
        return state

    def slope(self, tile, out, grad, rows):  # of the result, with its scale
        return 6 * tile * grad[:, None]


@pytest.mark.parametrize("tile", [3, 100])
def test_a_reduction_of_your_own(tile):
    q, k = rows(6, 3).requires_grad_(), rows(9, 3, seed=1).requires_grad_()
    scale, bias = (torch.linspace(a, 2, 6, dtype=F64).requires_grad_() for a in (0.5, -1))
    keep = {"exclude": False, "rule": None}
    out = within({"tile": tile}, stream_rows, q, k, scale, bias, SumOfSquares(), **keep)
    table = logits_by_loop(q.detach(), k.detach(), scale.detach(), bias.detach())
    expected = [3 * math.fsum(x * x for x, _ in line) for line in table]
    assert out.tolist() == pytest.approx(expected, rel=1e-12)
    inputs = q, k, scale, bias
    plain = (scale[:, None] * (q @ k.t()) + bias[:, None]).square().sum(1)
    found, expected = (torch.autograd.grad(x.sum(), inputs) for x in (out, 3 * plain))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("exclude", [False, True, [3, -1, 4, 0]])
def test_plain_logits_by_the_double_loop(exclude):
    q, k = rows(4, 3), rows(5, 3, seed=1)
    scale, bias = torch.linspace(0.5, 2, 4, dtype=F64), torch.linspace(-1, 1, 4, dtype=F64)
    rule = LogWeight(lambda i, j, a: a[i, None] - a[None, j], torch.arange(5, dtype=F64))
    option = torch.tensor(exclude) if isinstance(exclude, list) else exclude
    found = dense_logits(q, k, scale, bias, exclude=option, rule=rule)
    table = logits_by_loop(q, k, scale, bias, exclude, weight=lambda i, j: i - j)
    kept = [[x for x in row if x != -math.inf] for row in found.tolist()]
    for mine, line in zip(kept, table, strict=True):
        assert mine == pytest.approx([x for x, _ in line], rel=1e-12)
    left_out = 5 * 4 - sum(map(len, kept))
    assert left_out == (0 if exclude is False else 4 if exclude is True else 3)


def test_numbers_and_one_number_a_row():
    q = rows(3, 2, torch.bfloat16)
    assert as_vector("scale", q, 2).dtype == torch.float32
    assert as_vector("scale", q, torch.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^scale must be .* one a row \[3\], got \[2\]"):
        as_vector("scale", q, torch.ones(2))
    with pytest.raises(ValueError, match=r"got \[3, 1\]"):
        as_tau(q, torch.ones(3, 1))
    for bad in (0.0, -1.0, torch.tensor([1.0, 0.5, -0.25]), float("nan")):
        with pytest.raises(ValueError, match="tau must be above 0 everywhere"):
            as_tau(q, bad)


def test_positions_to_leave_out_are_checked():
    q = rows(3, 2)
    assert check_exclude(q, True) is True
    with pytest.raises(TypeError, match=r"int64 positions, got torch\.int32"):
        check_exclude(q, torch.zeros(3, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"must be \[3\], one a row, got \[2\]"):
        check_exclude(q, torch.zeros(2, dtype=torch.long))
