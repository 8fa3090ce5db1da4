"""Lines around activations, on intervals of every kind, and their gradients."""

import pytest
import torch

from gcl.methods.provable.intervals import Interval
from gcl.methods.provable.layers import Layer, activate
from gcl.methods.provable.relaxation import relax

SLACK = 1e-9


def lines_of(interval, slope):
    """Of one layer, of which nothing but the activation is looked at."""
    (lines,) = relax([Layer(None, None, slope)], [interval])
    return lines


@pytest.mark.parametrize("slope", [0.0, 0.25, 0.9, 1.0])
def test_lines_enclose_the_activation_and_touch_it(slope):
    ends = torch.randn(2, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    interval = Interval(ends.amin(0), ends.amax(0))
    a = torch.tensor(slope, dtype=torch.float64)
    line, rise = lines_of(interval, a)
    steps = torch.linspace(0, 1, 21, dtype=torch.float64)[:, None]
    z = interval.low + steps * (interval.high - interval.low)
    assert (line * z <= activate(z, a) + SLACK).all()
    assert (activate(z, a) <= line * z + rise + SLACK).all()
    # The upper line goes through both ends, the lower one through 0 where that is inside.
    for end in interval:
        assert torch.allclose(activate(end, a), line * end + rise)


@pytest.mark.parametrize("slope", [torch.tensor(0.3), torch.tensor([0.0, 0.2, 0.9])])
def test_the_gradient_of_the_lines(slope):
    generator = torch.Generator().manual_seed(1)
    ends = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    ends = [ends.amin(0).requires_grad_(), ends.amax(0).requires_grad_()]
    assert torch.autograd.gradcheck(lambda low, high: lines_of(Interval(low, high), slope), ends)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(lines_of(Interval(*ends), slope)[0].sum(), ends, create_graph=True)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.0, (1, 0)),
        (-1.0, -1.0, (0.5, 0)),
        (-1e-13, -1e-14, (0.5, 0)),
        (2.0, 3.0, (1, 0)),
    ],
)
def test_narrow_intervals_have_lines_and_finite_gradients(low, high, expected):
    ends = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (low, high)]
    line, rise = lines_of(Interval(*ends), torch.tensor(0.5, dtype=torch.float64))
    assert (line.item(), rise.item()) == pytest.approx(expected, rel=1e-9, abs=0)
    grads = torch.autograd.grad(line.sum() + rise.sum(), ends)
    assert [grad.item() for grad in grads] == [0, 0]


def test_the_line_through_almost_nothing_is_right_and_passes_no_large_gradient():
    ends = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (-1e-300, 1e-300)]
    line, rise = lines_of(Interval(*ends), torch.tensor(0.5, dtype=torch.float64))
    assert (line.item(), rise.item()) == pytest.approx((0.75, 2.5e-301), rel=1e-9, abs=0)
    grads = torch.autograd.grad(line.sum() + rise.sum(), ends)
    assert all(abs(grad.item()) < 1 for grad in grads)


def test_every_layer_has_lines_of_its_own():
    slopes = [torch.tensor(0.0), torch.tensor(0.5)]
    layers = [Layer(None, None, slope) for slope in slopes]
    ends = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 1.0])
    intervals = [Interval(end, end + 1) for end in ends]
    found = relax(layers, intervals)
    for pair, interval, slope in zip(found, intervals, slopes, strict=True):
        assert all(map(torch.equal, pair, lines_of(interval, slope)))
    with pytest.raises(ValueError, match="zip"):
        relax(layers, intervals[:1])
