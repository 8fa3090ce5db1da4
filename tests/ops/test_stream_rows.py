"""How rows are streamed: what is stored, in which precision, and how often."""

import pytest
import torch

from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp, streaming_softmax_mean, streaming_softplus
from tests.ops.by_loops import F64, IMPLEMENTATIONS, Watch, rows, within


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
