"""PReLU against a double loop, and against torch's: bits of value and gradients."""

import pytest
import torch
from torch.nn import functional

from gcl.ops.prelu import prelu

F64 = torch.float64
SHAPES = {
    "one": ((7, 3), 1),
    "channels": ((7, 3), 3),
    "images": ((4, 3, 2, 2), 1),
    "row": ((5,), 1),
    "none": ((0, 3), 1),
}


def given(shape, count, dtype=F64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=F64)
    x.view(-1)[:1] = 0.0
    weight = torch.linspace(-0.4, 1.3, count, dtype=F64)
    up = torch.randn(shape, generator=generator, dtype=F64)
    return x.to(dtype), weight.to(dtype), up.to(dtype)


def both(function, x, weight, up):
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    out = function(x, weight)
    return out, *torch.autograd.grad(out, (x, weight), up.to(out.dtype))


@pytest.mark.parametrize("count", [1, 3])
def test_double_loop(count):
    x, weight, up = given((7, 3), count)
    value, grad_x, grad_weight = (torch.zeros_like(t) for t in (x, x, weight))
    for i in range(7):
        for j in range(3):
            a, above = j % count, bool(x[i, j] > 0)
            value[i, j] = x[i, j] * (1.0 if above else weight[a])
            grad_x[i, j] = up[i, j] * (1.0 if above else weight[a])
            grad_weight[a] += 0.0 if above else up[i, j] * x[i, j]
    for found, expected in zip(
        both(prelu, x, weight, up), (value, grad_x, grad_weight), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.bfloat16])
def test_bits_are_those_of_torch(case, dtype):
    inputs = given(*SHAPES[case], dtype)
    for found, expected in zip(both(prelu, *inputs), both(functional.prelu, *inputs), strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_bits_of_many_rows():
    x, weight, up = given((3000, 65), 1, torch.float32)
    for layout in (lambda t: t, lambda t: t.t().contiguous().t()):
        inputs = (layout(x), weight, up)
        for found, expected in zip(
            both(prelu, *inputs), both(functional.prelu, *inputs), strict=True
        ):
            assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "types", [(torch.float32,) * 2, (torch.bfloat16, torch.float32), (F64, F64)]
)
def test_autocast_is_that_of_torch(types):
    x, weight, up = given((7, 3), 3)
    inputs = (x.to(types[0]), weight.to(types[1]), up)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pairs = zip(both(prelu, *inputs), both(functional.prelu, *inputs), strict=True)
    for found, expected in pairs:
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize("case", ["one", "channels", "images"])
def test_first_and_second_derivatives(case):
    x, weight, _ = given(*SHAPES[case])
    x.view(-1)[:1] = 0.5  # at 0 there is none
    inputs = (x.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(prelu, inputs)
    assert torch.autograd.gradgradcheck(prelu, inputs)


def test_many_gradients_at_a_time():
    x, weight, up = given((7, 3), 1)
    inputs = (x.requires_grad_(), weight.requires_grad_())
    ups = torch.stack([up, 2 * up])
    found = torch.autograd.grad(prelu(*inputs), inputs, ups, is_grads_batched=True)
    expected = torch.autograd.grad(functional.prelu(*inputs), inputs, ups, is_grads_batched=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("wanted", [0, 1])
def test_only_what_requires_a_gradient_gets_one(wanted):
    inputs = list(given((7, 3), 1)[:2])
    inputs[wanted].requires_grad_()
    prelu(*inputs).sum().backward()
    assert inputs[wanted].grad is not None
    assert inputs[1 - wanted].grad is None


def test_of_torch_func_it_is_torch_s():
    x, weight, up = given((7, 3), 1)
    found = torch.func.jvp(prelu, (x, weight), (up, weight))
    for a, b in zip(
        found, torch.func.jvp(functional.prelu, (x, weight), (up, weight)), strict=True
    ):
        assert torch.equal(a, b)


def test_types_that_differ_are_refused_by_torch():
    x, weight, _ = given((7, 3), 1)
    with pytest.raises(RuntimeError, match="promot"):
        prelu(x.float(), weight)
