"""Bounds of node compactness against their definition: loops in float64, and drawn graphs."""

from functools import partial

import pytest
import torch
from torch import nn

from gcl.methods.provable.adjacency import adjacency_bounds
from gcl.methods.provable.intervals import Interval, LayerIntervals, layer_intervals
from gcl.methods.provable.layers import gcn_layers
from gcl.methods.provable.node_bounds import node_bounds
from gcl.methods.provable.products import CleanProducts
from gcl.methods.provable.relaxation import relax
from gcl.methods.provable.targets import target_directions
from gcl.methods.provable.views import EncodedView
from gcl.ops.propagation import gcn_adjacency
from tests.methods.provable.dense_gcn import (
    dense,
    dense_adjacency,
    dense_forward,
    random_encoder,
    random_graph,
    within_budget,
)

N, F = 9, 6
SLACK = 1e-9


class Case:
    """A random encoder and graph, a budget, and everything that bounds are made of."""

    def __init__(self, widths, act="relu", weighted=False, masks=0, seed=0):
        generator = torch.Generator().manual_seed(seed + 100)
        self.edges = random_graph(seed)
        e = self.edges.shape[1]
        self.x = torch.randn(N, F, generator=generator, dtype=torch.float64)
        self.weight = torch.ones(e, dtype=torch.float64)
        if weighted:
            self.weight = 2 * torch.rand(e, generator=generator, dtype=torch.float64) + 0.05
        if act == "channels":
            act = partial(nn.PReLU, widths[-1])
        self.layers = gcn_layers(random_encoder(seed, widths, act).requires_grad_(False))
        degree = torch.bincount(self.edges[1], minlength=N)
        budget = (0.4 * degree).round().long()
        self.budget = torch.minimum(budget, (degree - 1).clamp(min=0))
        self.bounds = adjacency_bounds(self.edges, self.weight, N, self.budget, dtype=torch.float64)
        self.masks = masks
        clean = gcn_adjacency(self.edges, self.weight, N, torch.float64)
        products = CleanProducts(self.layers, clean).of(self.x)
        self.product = products[0]
        self.first, self.sound = layer_intervals(
            self.layers, self.bounds, self.x, products[:1], columns=masks
        )
        _, self.reference = layer_intervals(self.layers, self.bounds, self.x, products)
        other = torch.randn(N, widths[-1], generator=generator, dtype=torch.float64)
        self.targets = target_directions(other)

    def bound(self, mode, intervals, weight=None, pre_activations=None):
        """What `node_bounds` says of the graph with these edge weights."""
        return bound_of(
            mode, self.layers, LayerIntervals(self.first, intervals), self.targets,
            EncodedView(self.x, self.edges, weight, pre_activations, None), self.product,
            self.bounds,
        )  # fmt: skip

    def draw(self, samples, seed=1):
        """Edge weights `[s, e]`, features `[s, n, f]`, pre-activations and values `[s, n]`."""
        keep = within_budget(self.edges, self.budget, samples, seed, symmetric=False)
        weight = keep * self.weight
        generator = torch.Generator().manual_seed(seed)
        rank = torch.rand(samples, F, generator=generator).argsort(1).argsort(1)
        x = self.x * (rank >= self.masks).double()[:, None]
        p, z = dense_forward(self.layers, x, dense_adjacency(self.edges, weight, N))
        return weight, x, p, (z * self.targets).sum(-1)


def bound_of(mode, layers, intervals, targets, view, product, adjacency):
    depth = 1 if mode == "certified" else 2
    lines = relax(layers[-depth:], intervals.pre_activations[-depth:])
    return node_bounds(
        mode,
        layers,
        lines,
        targets,
        view=view,
        product=product,
        intervals=intervals,
        adjacency=adjacency,
    )


WIDTHS = {1: (F, 4), 2: (F, 5, 4), 3: (F, 5, 5, 4)}
CASES = [
    {"widths": WIDTHS[1]},
    {"widths": WIDTHS[1], "act": "prelu", "masks": 2},
    {"widths": WIDTHS[2]},
    {"widths": WIDTHS[2], "act": "prelu", "weighted": True},
    {"widths": (F, 4, 4), "act": "channels"},
    {"widths": WIDTHS[2], "masks": 2},
    {"widths": WIDTHS[2], "act": None},
    {"widths": WIDTHS[3], "act": "leaky_relu", "weighted": True},
    {"widths": WIDTHS[3], "masks": 1},
]


def lines(case, intervals):
    """Slope s and offset d of `s z <= act(z) <= s (z + d)`, by the cases of the definition."""
    found = []
    for (low, high), layer in zip(intervals, case.layers, strict=True):
        a = layer.slope
        cross = (low < 0) & (high > 0)
        s = torch.where(cross, (high - a * low) / (high - low), (low >= 0) + (low < 0) * a)
        d = torch.where(cross, (a - 1) * high * low / (high - a * low), 0.0)
        found.append((s, d))
    return found


def name(case):
    return ", ".join(str(v) for v in case.values())


@pytest.mark.parametrize("case", CASES, ids=name)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_graph_within_the_budget_is_below_the_certified_bound(case, seed):
    case = Case(**case, seed=seed)
    g = case.bound("certified", case.sound)
    *_, values = case.draw(5000)
    assert (values >= g - SLACK).all()
    # Not for being without limit: the interval alone is never better.
    ends = [torch.where(p > 0, p, case.layers[-1].slope * p) for p in case.sound[-1]]
    alone = (case.targets.clamp(min=0) * ends[0] + case.targets.clamp(max=0) * ends[1]).sum(1)
    assert (g >= alone).all()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_drawn_graphs_are_not_below_their_own_sound_bound(case):
    case = Case(**case)
    weights, _, pre_activations, values = case.draw(300)
    for weight, *p, value in zip(weights, *pre_activations, values, strict=True):
        g = case.bound("sound", case.sound, weight, p)
        assert (value >= g - SLACK).all()


def test_the_certified_bound_is_reached_by_an_isolated_node():
    case = Case(WIDTHS[2])
    g = case.bound("certified", case.sound)
    *_, values = case.draw(5)
    assert torch.allclose(values[:, -1], g[-1])  # the last node has no edges


@pytest.mark.parametrize("act", ["relu", "prelu"])
@pytest.mark.parametrize("intervals", ["sound", "reference"])
def test_the_factorised_form_is_the_bound_of_every_target_by_itself(act, intervals):
    """The theorem: weights of the target node along its whole receptive field, in plain loops."""
    case = Case(WIDTHS[2], act)
    lower, upper = case.layers
    known = getattr(case, intervals)
    weights, x, pre_activations, _ = case.draw(2, seed=3)
    weight, x, p1 = weights[1], x[1], pre_activations[0][1]
    a = dense_adjacency(case.edges, weight, N)
    (s1, d1), (s2, d2) = lines(case, known)
    expected = []
    for i in range(N):
        total = 0.0
        v = [float(case.targets[i, c] * s2[i, c]) for c in range(4)]
        q = [sum(float(upper.weight[k, c]) * v[c] for c in range(4)) for k in range(5)]
        for c in range(4):
            total += v[c] * (float(upper.bias[c]) + (float(d2[i, c]) if v[c] < 0 else 0.0))
        for j in range(N):
            for k in range(5):
                slope = q[k] * float(s1[j, k])
                inner = float(lower.bias[k]) + (float(d1[j, k]) if q[k] < 0 else 0.0)
                for m in range(N):
                    for f in range(F):
                        inner += float(a[j, m] * x[m, f] * lower.weight[f, k])
                total += float(a[i, j]) * slope * inner
        expected.append(total)
    p2 = pre_activations[1][1]
    for mode in ("sound", "pot"):  # one formula, whatever the intervals
        g = case.bound(mode, known, weight, [p1, p2])
        assert torch.allclose(g, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_certified_bound_is_its_formula(layers):
    case = Case(WIDTHS[layers])
    low, high = dense(case.bounds.lower), dense(case.bounds.upper)
    last = case.layers[-1]
    s, d = lines(case, case.sound)[-1]
    below = case.first if layers == 1 else Interval(*(e.clamp(min=0) for e in case.sound[0]))
    ends = [e.clamp(min=0) for e in case.sound[-1]]
    expected = []
    for i in range(N):
        v = case.targets[i] * s[i]
        q = v if layers == 1 else last.weight @ v
        chained = float(v @ last.bias + (v * d[i])[v < 0].sum())
        for j in range(N):
            t = float(q[q > 0] @ below.low[j, q > 0] + q[q < 0] @ below.high[j, q < 0])
            chained += min(float(low[i, j]) * t, float(high[i, j]) * t)
        w = case.targets[i]
        alone = float(w[w > 0] @ ends[0][i, w > 0] + w[w < 0] @ ends[1][i, w < 0])
        expected.append(max(chained, alone))
    g = case.bound("certified", case.sound)
    assert torch.allclose(g, torch.tensor(expected, dtype=torch.float64))


def test_legacy_is_the_released_formula_with_every_nodes_weights():
    case = Case(WIDTHS[2], "prelu")
    lower, upper = case.layers
    weights, *_ = case.draw(2, seed=3)
    a = dense_adjacency(case.edges, weights[1], N).t()  # rows are sources there
    assert not torch.allclose(a, a.t())  # each direction is dropped on its own
    (s1, d1), (s2, d2) = lines(case, case.reference)
    w2 = (case.targets * s2) @ upper.weight.t()
    b2 = ((case.targets * s2) * (upper.bias + (case.targets < 0) * d2)).sum(1)
    w1 = (w2 * s1) @ lower.weight.t()
    b1 = ((w2 * s1) * (lower.bias + (w2 < 0) * d1)).sum(1)
    expected = (a @ (a @ (case.x @ w1.t()).diagonal()[:, None] + b1[:, None])).flatten() + b2
    score = case.bound("legacy", case.reference, weights[1])
    assert torch.allclose(score, expected)


def test_legacy_is_no_bound():
    """Two linked nodes, nothing to drop, all weights 1: what node 0 is worth is beyond doubt."""
    edges = torch.tensor([[0, 1], [1, 0]])
    encoder = random_encoder(0, (1, 1, 1), "relu").requires_grad_(False)
    for weight, bias in zip(encoder.weights, encoder.biases, strict=True):
        weight.fill_(1)
        bias.zero_()
    layers = gcn_layers(encoder)
    ones, targets = torch.ones(2, 1).double(), torch.tensor([[-1.0], [3.0]]).double()
    bounds = adjacency_bounds(edges, None, 2, torch.tensor([0, 0]), dtype=torch.float64)
    known = layer_intervals(layers, bounds, ones, [ones])  # all of x W is 1
    true = (encoder(ones, edges) * targets).sum(1)
    assert true.tolist() == pytest.approx([-1, 3])
    view = EncodedView(ones, edges, None, [ones, ones], None)

    def bound(mode):
        return bound_of(mode, layers, known, targets, view, ones, bounds).tolist()

    assert bound("sound") == pytest.approx([-1, 3])
    assert bound("certified") == pytest.approx([-1, 3])
    # The mean of both nodes' weights, 2 above the value it should bound.
    assert bound("legacy") == pytest.approx([1, 1])


@pytest.mark.parametrize("layers", [1, 3])
def test_legacy_needs_two_layers(layers):
    case = Case(WIDTHS[layers])
    with pytest.raises(ValueError, match="two layers"):
        case.bound("legacy", case.reference)
