"""The streamed sums against float64 double loops."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import (
    streaming_logsumexp,
    streaming_sigmoid,
    streaming_softmax_mean,
    streaming_softplus,
)
from tests.ops.by_loops import F64, IMPLEMENTATIONS, logits_by_loop, lse, rows, within


@pytest.mark.parametrize("how", [*IMPLEMENTATIONS, {"implementation": "tiled", "tile": 512}])
@pytest.mark.parametrize("sharp", [1.0, 40.0])  # 40: logits of several hundred
@pytest.mark.parametrize("tau", ["number", "scalar", "rows"])
@pytest.mark.parametrize("exclude", [False, True, "some"])
def test_logsumexp_equals_the_double_loop(how, sharp, tau, exclude):
    q, k = sharp * rows(9, 5), rows(14, 5, seed=1)
    tau = {
        "number": 0.3,
        "scalar": torch.tensor(0.3, dtype=F64),
        "rows": torch.linspace(0.2, 2, 9, dtype=F64),
    }[tau]
    left_out = [3, -1, 13, 0, -1, 5, 6, 6, 8] if exclude == "some" else exclude
    option = torch.tensor(left_out) if exclude == "some" else exclude
    out = within(how, streaming_logsumexp, q, k, tau=tau, exclude=option)
    scale = 1 / torch.as_tensor(tau, dtype=F64)
    expected = [lse([x for x, _ in line]) for line in logits_by_loop(q, k, scale, None, left_out)]
    assert out.tolist() == pytest.approx(expected, rel=1e-12)


def test_logsumexp_with_a_weight_rule_equals_the_double_loop():
    q, k = rows(7, 3), rows(5, 3, seed=1)
    age = torch.linspace(0, 2, 12, dtype=F64)

    def gap(i, j, a):
        return -(a[i, None] - 0.5 * a[None, j]).square()

    expected = [
        lse([x for x, _ in line])
        for line in logits_by_loop(
            q, k, torch.tensor(2.0), weight=lambda i, j: -float((age[i] - 0.5 * age[j]) ** 2)
        )
    ]
    for how in IMPLEMENTATIONS:
        out = within(how, streaming_logsumexp, q, k, tau=0.5, log_weight=LogWeight(gap, age))
        assert out.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
def test_gradients_of_logsumexp(how):
    q, k = rows(6, 3).requires_grad_(), rows(7, 3, seed=1).requires_grad_()
    tau = torch.linspace(0.3, 1, 6, dtype=F64).requires_grad_()
    row, col = (torch.linspace(-1, 1, n, dtype=F64).requires_grad_() for n in (6, 7))

    def run(q, k, tau, row, col):
        rule = LogWeight(lambda i, j, a, b: (a[i, None] * b[None, j]).tanh(), row, col, bound=1)
        return within(how, streaming_logsumexp, q, k, tau=tau, log_weight=rule, exclude=True)

    assert torch.autograd.gradcheck(run, (q, k, tau, row, col))


@pytest.mark.parametrize("tau", [0.4, 0.01])
def test_gradients_of_logsumexp_in_one_temperature(tau):
    q, k = normalize(rows(9, 4)).requires_grad_(), normalize(rows(9, 4, seed=1)).requires_grad_()
    tau = torch.tensor(tau, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q, k, tau: within(
            {"implementation": "tiled", "tile": 4}, streaming_logsumexp, q, k, tau=tau
        ),
        (q, k, tau),
        eps=1e-7,
    )


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
def test_softplus_sums(how):
    q, k = rows(6, 3).requires_grad_(), rows(9, 3, seed=1).requires_grad_()
    scale = torch.linspace(-1, 3, 6, dtype=F64).requires_grad_()
    bias = torch.linspace(-2, 2, 6, dtype=F64).requires_grad_()
    out = within(how, streaming_softplus, q, k, scale=scale, bias=bias, exclude=True)
    table = logits_by_loop(q.detach(), k.detach(), scale.detach(), bias.detach(), True)
    expected = [math.fsum(math.log1p(math.exp(x)) for x, _ in line) for line in table]
    assert out.tolist() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda q, k, s, b: within(how, streaming_softplus, q, k, scale=s, bias=b, exclude=True),
        (q, k, scale, bias),
    )
    numbers = [torch.tensor(x, dtype=F64, requires_grad=True) for x in (0.7, -1.0)]
    assert torch.autograd.gradcheck(
        lambda s, b: within(how, streaming_softplus, q, k, scale=s, bias=b), numbers
    )


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
def test_softmax_means(how):
    q, k = rows(6, 3).requires_grad_(), rows(9, 3, seed=1).requires_grad_()
    tau = torch.tensor(0.8, dtype=F64, requires_grad=True)
    out = within(how, streaming_softmax_mean, q, k, tau=tau, exclude=True)
    expected = []
    for line in logits_by_loop(q.detach(), k.detach(), 1 / tau.detach(), None, True):
        total = lse([x for x, _ in line])
        expected.append(math.fsum(math.exp(x - total) * s for x, s in line))
    assert out.tolist() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda q, k, tau: within(how, streaming_softmax_mean, q, k, tau=tau, exclude=True),
        (q, k, tau),
    )
    # With constant weights p the gradient with respect to q_i is sum_j p_ij k_j.
    fixed = within(how, streaming_softmax_mean, q, k, tau=tau, detach_weights=True)
    (grad,) = torch.autograd.grad(fixed.sum(), q)
    p = torch.softmax((q @ k.t()).detach() / 0.8, 1)
    assert torch.allclose(grad, p @ k, rtol=1e-12)


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
def test_rows_without_candidates(how):
    q = rows(3, 2).requires_grad_()
    alone = within(how, streaming_logsumexp, q[:1], q[:1], tau=0.5, exclude=True)
    assert alone.tolist() == [-math.inf]
    nobody = LogWeight(lambda i, j: torch.tensor([[0.0], [-math.inf], [0.0]])[i])
    out = within(how, streaming_logsumexp, q, q, tau=0.5, log_weight=nobody)
    assert out.isneginf().tolist() == [False, True, False]
    (grad,) = torch.autograd.grad(out[out.isfinite()].sum(), q)
    assert grad.isfinite().all()
    assert within(how, streaming_softplus, q[:1], q[:1], exclude=True).item() == 0
    assert within(how, streaming_softmax_mean, q[:1], q[:1], tau=1.0, exclude=True).item() == 0
    assert within(how, streaming_logsumexp, q, q[:0], tau=1.0).tolist() == [-math.inf] * 3


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_stays_visible(how, bad):
    q = rows(9, 3)
    rule = LogWeight(lambda i, j: torch.full((1, 1), bad, dtype=F64))
    out = within(how, streaming_logsumexp, q, q, tau=1.0, log_weight=rule)
    assert not out.isfinite().any()
    assert not out.isneginf().any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"tau": 0.0}, "above 0"),
        ({"tau": torch.ones(3)}, r"one a row \[5\]"),
    ],
)
def test_bad_options(bad, message):
    with pytest.raises(ValueError, match=message):
        streaming_logsumexp(rows(5, 2), rows(4, 2), **bad)


def test_bad_rows():
    with pytest.raises(ValueError, match="of one width"):
        streaming_logsumexp(rows(5, 2), rows(5, 3), tau=1.0)
    with pytest.raises(TypeError, match="floating-point"):
        streaming_softplus(rows(5, 2).long(), rows(5, 2))


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
def test_sigmoid_sums(how):
    q, k = rows(6, 3).requires_grad_(), rows(9, 3, seed=1).requires_grad_()
    scale = torch.linspace(-1, 3, 6, dtype=F64).requires_grad_()
    bias = torch.linspace(-2, 2, 6, dtype=F64).requires_grad_()
    out = within(how, streaming_sigmoid, q, k, scale=scale, bias=bias, exclude=True)
    table = logits_by_loop(q.detach(), k.detach(), scale.detach(), bias.detach(), True)
    expected = [math.fsum(1 / (1 + math.exp(-x)) for x, _ in line) for line in table]
    assert out.tolist() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda q, k, s, b: within(how, streaming_sigmoid, q, k, scale=s, bias=b, exclude=True),
        (q, k, scale, bias),
    )
    out_of = LogWeight(lambda i, j: torch.full((9, 9), -math.inf).tril(-1)[i, j])
    kept = within(how, streaming_sigmoid, k, k, log_weight=out_of)
    assert torch.allclose(kept, torch.sigmoid(k @ k.t()).triu().sum(1))
