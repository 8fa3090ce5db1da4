"""The streamed sums against float64 double loops, and what they store."""

import math

import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from gcl.ops import tiles, tiling
from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp, streaming_softmax_mean, streaming_softplus

F64 = torch.float64


def rows(n, d, dtype=F64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=F64).to(dtype)


def logits_by_loop(q, k, scale, bias=None, exclude=False, weight=None):
    """Lists of `(logit, similarity)` of every row, by plain loops over Python floats."""
    out = []
    for i in range(len(q)):
        line = []
        for j in range(len(k)):
            left_out = j == exclude[i] if isinstance(exclude, list) else exclude and i == j
            if left_out:
                continue
            s = math.fsum(float(a) * float(b) for a, b in zip(q[i], k[j], strict=True))
            at = float(scale[i]) if scale.dim() else float(scale)
            extra = (0 if bias is None else float(bias[i])) + (
                0 if weight is None else weight(i, j)
            )
            line.append((at * s + extra, s))
        out.append(line)
    return out


def lse(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(x - top) for x in values))


IMPLEMENTATIONS = [{"implementation": "dense"}, {"implementation": "tiled", "tile": 4}]


def within(how, run, *args, **options):
    with tiling(**how):
        return run(*args, **options)


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


class Watch(TorchDispatchMode):
    """The bytes of every tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor):
                self.largest = max(self.largest, x.untyped_storage().nbytes())
        return out


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


def test_rules_add_up():
    a = LogWeight(lambda i, j, x: x[i, None], torch.ones(4), bound=1)
    b = LogWeight(lambda i, j, y: y[None, j], torch.arange(4.0), symmetric=True, bound=3)
    both = a + b
    assert both(slice(0, 2), slice(1, 3)).tolist() == [[2, 3], [2, 3]]
    assert (both.bound, both.symmetric, len(both.tensors)) == (4, False, 2)


def test_a_rule_of_the_wrong_shape():
    q = rows(9, 3)
    for how in IMPLEMENTATIONS:
        with pytest.raises(ValueError, match="broadcasts to"):
            within(
                how,
                streaming_logsumexp,
                q,
                q,
                tau=1.0,
                log_weight=LogWeight(lambda i, j: torch.zeros(2, 7)),
            )


def test_parameters_of_a_rule_that_are_not_among_its_tensors_are_refused(implementation):
    q, w = rows(9, 3), torch.nn.Parameter(torch.tensor(1.0, dtype=F64))
    with pytest.raises(ValueError, match="pass it as one of the tensors"):
        streaming_logsumexp(
            q, q, tau=1.0, log_weight=LogWeight(lambda i, j: w.view(1, 1)),
        )  # fmt: skip


def test_a_rule_for_other_rows_is_refused():
    q = rows(9, 3)
    rule = LogWeight(lambda i, j: torch.zeros(1, 1), shape=(12, 12))
    with pytest.raises(ValueError, match=r"is for \[12, 12\] pairs of rows, got \[9, 9\]"):
        streaming_logsumexp(q, q, tau=1.0, log_weight=rule)


@pytest.mark.parametrize("how", IMPLEMENTATIONS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_stays_visible(how, bad):
    q = rows(9, 3)
    rule = LogWeight(lambda i, j: torch.full((1, 1), bad, dtype=F64))
    out = within(how, streaming_logsumexp, q, q, tau=1.0, log_weight=rule)
    assert not out.isfinite().any()
    assert not out.isneginf().any()


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


def test_the_scoped_precision_is_put_back(monkeypatch):
    monkeypatch.setattr(tiles, "_has_amx", lambda: True)
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    seen = []

    def rule(i, j):
        seen.append(setting.fp32_precision)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return torch.zeros(1, 1)

    q = rows(8, 4, torch.float32)
    with pytest.raises(KeyboardInterrupt):
        within(
            {"implementation": "tiled", "tile": 4, "precision": "bf16"},
            streaming_logsumexp, q, q, tau=1.0, log_weight=LogWeight(rule),
        )  # fmt: skip
    assert seen == [before, "bf16", "bf16"]  # the first call looks at one corner
    assert setting.fp32_precision == before


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
