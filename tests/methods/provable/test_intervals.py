"""Intervals against thousands of graphs within the budget, computed densely, and every mask."""

import pytest
import torch
from torch import nn

from gcl.methods.provable.adjacency import adjacency_bounds
from gcl.methods.provable.intervals import layer_intervals
from gcl.methods.provable.layers import Layer, gcn_layers
from gcl.methods.provable.products import CleanProducts, feature_product
from gcl.ops.propagation import gcn_adjacency
from tests.methods.provable.dense_gcn import (
    dense,
    dense_adjacency,
    dense_forward,
    random_encoder,
    random_graph,
    share,
    weights_of,
    within_budget,
)

N, F = 9, 6
SLACK = 1e-9


def features(seed, signed=True):
    x = torch.randn(N, F, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x if signed else x.abs()


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
    clean = gcn_adjacency(edges, weight, N, torch.float64)
    products = CleanProducts(layers, clean).of(x)
    sound = layer_intervals(layers, bounds, x, products[:1]).pre_activations
    reference = layer_intervals(layers, bounds, x, products).pre_activations
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
    layer = Layer(weight, torch.zeros(4, dtype=torch.float64), torch.tensor(0.0))
    bounds = adjacency_bounds(random_graph(0), None, N, torch.zeros(N, dtype=torch.long))
    product = feature_product(given, weight)
    low, high = layer_intervals([layer], bounds, given, [product], columns=columns).product
    assert (values >= low - SLACK).all()
    assert (values <= high + SLACK).all()
    if columns in (0, F):  # nothing, or all of one sign: reached
        assert torch.allclose(values.amin(0), low)
        assert torch.allclose(values.amax(0), high)
    if columns == 1 and not signed:
        single = (x[:, :, None] * weight).clamp(min=0).amax(1)
        assert (low <= x @ weight - single + SLACK).all()
