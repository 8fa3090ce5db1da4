"""Intervals and lines against thousands of graphs within the budget, computed densely."""

import pytest
import torch
from torch import nn

import gcl
from gcl.methods.provable.gcn_bounds import (
    Interval,
    activate,
    adjacency_bounds,
    clean_products,
    first_product,
    gcn_layers,
    masked_product,
    propagate,
    relax,
    sound_intervals,
)
from gcl.ops.propagation import gcn_adjacency
from tests.nn.dense_gcn import (
    dense_adjacency,
    dense_forward,
    random_encoder,
    random_graph,
    within_budget,
)

N, F = 9, 6
SLACK = 1e-9


def features(seed, signed=True):
    x = torch.randn(N, F, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x if signed else x.abs()


def share(edge_index, p):
    degree = torch.bincount(edge_index[1], minlength=N)
    return torch.minimum((p * degree).round().long(), (degree - 1).clamp(min=0))


def dense(adjacency):
    return adjacency @ torch.eye(N, dtype=torch.float64)


def weights_of(edge_index, kind, seed):
    half = edge_index.shape[1] // 2
    generator = torch.Generator().manual_seed(seed)
    if kind == "none":
        return None
    if kind == "even":
        return torch.rand(half, generator=generator, dtype=torch.float64).repeat(2) + 0.1
    weight = torch.rand(2 * half, generator=generator, dtype=torch.float64) * 3
    return weight.masked_fill(torch.rand(2 * half, generator=generator) < 0.2, 0.0)


@pytest.mark.parametrize("kind", ["none", "even", "uneven"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.6, 1.0])
def test_every_graph_within_the_budget_is_within_the_bounds(kind, symmetric, p):
    edges = random_graph(0)
    weight = weights_of(edges, kind, 1)
    real = edges if weight is None else edges[:, weight > 0]
    budget = share(real, p)
    bounds = adjacency_bounds(edges, weight, N, budget, symmetric=symmetric, dtype=torch.float64)
    low, high = dense(bounds.lower), dense(bounds.upper)
    full = torch.ones(edges.shape[1], dtype=torch.float64) if weight is None else weight
    keep = within_budget(edges, budget, 4000, 2, symmetric and kind != "uneven")
    a = dense_adjacency(edges, keep * full, N)
    assert (a >= low - SLACK).all()
    assert (a <= high + SLACK).all()
    if p == 0:
        clean = dense(gcn_adjacency(edges, weight, N, torch.float64))
        assert torch.allclose(low, clean)
        assert torch.allclose(high, clean)
    if weight is None and symmetric:
        # Reached: the diagonals by the fullest and the emptiest neighbourhoods, 0 by one drop.
        assert torch.allclose(a.amin(0).diagonal(), low.diagonal())
        assert torch.allclose(a.amax(0).diagonal(), high.diagonal())
        assert torch.allclose(a.amin(0), low)


def test_the_values_of_the_paper_on_a_star():
    edges = torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])
    budget = torch.tensor([2, 0, 0, 0])
    apart = adjacency_bounds(edges, None, 4, budget, dtype=torch.float64)
    unit = torch.eye(4, dtype=torch.float64)
    upper, lower = apart.upper @ unit, apart.lower @ unit
    assert torch.allclose(upper[0], torch.tensor([1 / 2, 1 / 2, 1 / 2, 1 / 2]).double())
    assert torch.allclose(lower[0], torch.tensor([1 / 4, 0, 0, 0]).double())
    # What arrives at a leaf cannot drop, but the centre's degree may fall.
    assert torch.isclose(lower[1, 0], torch.tensor(1 / 8**0.5, dtype=torch.float64))
    assert torch.isclose(upper[1, 0], torch.tensor(1 / 2, dtype=torch.float64))
    # Leaves keep their only edge, so in pairs the centre keeps all of its own.
    pairs = adjacency_bounds(edges, None, 4, budget, symmetric=True, dtype=torch.float64)
    clean = gcn_adjacency(edges, None, 4, torch.float64) @ unit
    assert torch.allclose(pairs.lower @ unit, clean)
    assert torch.allclose(pairs.upper @ unit, clean)
    # A directed list has no pairs.
    one_way = edges[:, 3:]
    unpaired = adjacency_bounds(one_way, None, 4, budget, symmetric=True, dtype=torch.float64)
    assert torch.allclose((unpaired.lower @ unit)[0], lower[0])


def test_self_loops_of_the_list_have_their_weight_or_one():
    edges = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1]])
    weight = torch.tensor([1.0, 1.0, 3.0, 0.5], dtype=torch.float64)
    bounds = adjacency_bounds(edges, weight, 2, torch.tensor([0, 0]), dtype=torch.float64)
    low = bounds.lower @ torch.eye(2, dtype=torch.float64)
    high = bounds.upper @ torch.eye(2, dtype=torch.float64)
    for loops in ([3.0, 0.5], [3.0, 0.0], [0.0, 0.5], [0.0, 0.0]):
        drawn = torch.cat([weight[:2], torch.tensor(loops, dtype=torch.float64)])
        a = gcn_adjacency(edges, drawn, 2, torch.float64) @ torch.eye(2, dtype=torch.float64)
        assert (a >= low - SLACK).all()
        assert (a <= high + SLACK).all()
    assert torch.allclose(low.diagonal(), torch.tensor([1 / 2, 0.5 / 1.5]).double())
    assert torch.allclose(high.diagonal(), torch.tensor([3 / 4, 1 / 2]).double())


ACTS = {
    "relu": "relu",
    "leaky": lambda: nn.LeakyReLU(0.25),
    "prelu": "prelu",
    "linear": None,
}


def channels(width):
    return lambda: nn.PReLU(width)


@pytest.mark.parametrize(
    ("widths", "act"),
    [
        ((F, 4), "relu"),
        ((F, 5, 4), "relu"),
        ((F, 5, 4), "leaky"),
        ((F, 4, 4), "channels"),
        ((F, 5, 4), "linear"),
        ((F, 5, 5, 4), "prelu"),
    ],
)
@pytest.mark.parametrize("kind", ["none", "uneven"])
def test_sound_intervals_hold_and_reference_ones_need_not(widths, act, kind):
    edges = random_graph(3)
    x, weight = features(4), weights_of(edges, kind, 5)
    encoder = random_encoder(6, widths, channels(4) if act == "channels" else ACTS[act])
    layers = gcn_layers(encoder)
    budget = share(edges if weight is None else edges[:, weight > 0], 0.5)
    bounds = adjacency_bounds(edges, weight, N, budget, dtype=torch.float64)
    product = first_product(x, layers[0].weight)
    sound = sound_intervals(layers, Interval(product, product), bounds)
    clean = gcn_adjacency(edges, weight, N, torch.float64)
    reference = [
        propagate(bounds, Interval(c, c), layer.bias)
        for c, layer in zip(clean_products(layers, product, clean), layers, strict=True)
    ]
    full = torch.ones(edges.shape[1], dtype=torch.float64) if weight is None else weight
    a = dense_adjacency(edges, within_budget(edges, budget, 4000, 7, False) * full, N)
    true, _ = dense_forward(layers, x, a)
    for level, p in enumerate(true):
        assert (p >= sound[level].low - SLACK).all()
        assert (p <= sound[level].high + SLACK).all()
        outside = (p < reference[level].low - SLACK) | (p > reference[level].high + SLACK)
        assert bool(outside.any()) == (level > 0)
    # The reference intervals do hold the clean graph.
    for interval, p in zip(reference, dense_forward(layers, x, dense(clean))[0], strict=True):
        assert (p >= interval.low - SLACK).all()
        assert (p <= interval.high + SLACK).all()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("columns", [0, 1, 2, F])
def test_every_mask_of_columns_is_within_the_bounds(signed, sparse, columns):
    x = features(8, signed)
    x[x.abs() < 0.4] = 0
    weight = torch.randn(F, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * F).double()
    masks = masks[(masks == 0).sum(1) <= columns]
    values = (x * masks[:, None]) @ weight
    given = x.to_sparse_csr() if sparse else x
    low, high = masked_product(given, weight, first_product(given, weight), columns)
    assert (values >= low - SLACK).all()
    assert (values <= high + SLACK).all()
    if columns in (0, F):  # nothing, or all of one sign: reached
        assert torch.allclose(values.amin(0), low)
        assert torch.allclose(values.amax(0), high)
    if columns == 1 and not signed:
        single = (x[:, :, None] * weight).clamp(min=0).amax(1)
        assert (low <= x @ weight - single + SLACK).all()


@pytest.mark.parametrize("slope", [0.0, 0.25, 0.9, 1.0])
def test_lines_enclose_the_activation_and_touch_it(slope):
    ends = torch.randn(2, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    interval = Interval(ends.amin(0), ends.amax(0))
    a = torch.tensor(slope, dtype=torch.float64)
    line, rise = relax(interval, a)
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
    assert torch.autograd.gradcheck(lambda low, high: relax(Interval(low, high), slope), ends)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(relax(Interval(*ends), slope)[0].sum(), ends, create_graph=True)


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
    line, rise = relax(Interval(*ends), torch.tensor(0.5, dtype=torch.float64))
    assert (line.item(), rise.item()) == pytest.approx(expected, rel=1e-9, abs=0)
    grads = torch.autograd.grad(line.sum() + rise.sum(), ends)
    assert [grad.item() for grad in grads] == [0, 0]


def test_the_line_through_almost_nothing_is_right_and_passes_no_large_gradient():
    ends = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (-1e-300, 1e-300)]
    line, rise = relax(Interval(*ends), torch.tensor(0.5, dtype=torch.float64))
    assert (line.item(), rise.item()) == pytest.approx((0.75, 2.5e-301), rel=1e-9, abs=0)
    grads = torch.autograd.grad(line.sum() + rise.sum(), ends)
    assert all(abs(grad.item()) < 1 for grad in grads)


def test_layers_are_read_with_their_slopes():
    encoder = random_encoder(0, (3, 4, 4), channels(4))
    layers = gcn_layers(encoder)
    assert [len(layer.slope) for layer in layers] == [4, 4]
    assert not layers[0].slope.requires_grad
    plain = gcl.nn.GCNEncoder(3, 4, plain_last=True)
    assert [float(layer.slope) for layer in gcn_layers(plain)] == [0.0, 1.0]


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
def test_slopes_outside_the_range_are_refused(value):
    with pytest.raises(ValueError, match=r"slopes of the activation in \[0, 1\)"):
        gcn_layers(gcl.nn.GCNEncoder(3, 4, act=lambda: nn.LeakyReLU(value)))
    learned = gcl.nn.GCNEncoder(3, 4, act="prelu")
    with torch.no_grad():
        learned.afters[1][0].weight.fill_(value)
    with pytest.raises(ValueError, match=r"slopes of the activation in \[0, 1\)"):
        gcn_layers(learned)


def test_what_has_no_bounds_is_refused():
    from torch_geometric.nn import GIN

    with pytest.raises(TypeError, match=r"GCNEncoder, got GIN"):
        gcn_layers(GIN(3, 4, 2))
    for options in ({"act": "elu"}, {"act": "rrelu"}, {"norm": "batch"}, {"norm": "layer"}):
        with pytest.raises(TypeError, match="ReLU, LeakyReLU or PReLU"):
            gcn_layers(gcl.nn.GCNEncoder(3, 4, **options))
    dropping = gcl.nn.GCNEncoder(3, 4, dropout=0.1)
    with pytest.raises(ValueError, match=r"dropout=0\.1"):
        gcn_layers(dropping)
    assert len(gcn_layers(dropping.eval())) == 2


def test_bad_weights_and_budgets_are_refused():
    edges = random_graph(0)
    budget = torch.zeros(N, dtype=torch.long)
    for bad in (-1.0, float("nan")):
        weight = torch.ones(edges.shape[1])
        weight[3] = bad
        with pytest.raises(ValueError, match="finite numbers >= 0"):
            adjacency_bounds(edges, weight, N, budget)
    with pytest.raises(ValueError, match="budget must hold 9 numbers"):
        adjacency_bounds(edges, None, N, budget[1:])
