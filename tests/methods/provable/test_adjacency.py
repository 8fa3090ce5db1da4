"""Bounds of `A_hat` against thousands of graphs within the budget, computed densely."""

import pytest
import torch

from gcl.methods.provable.adjacency import adjacency_bounds
from gcl.ops.propagation import gcn_adjacency
from tests.methods.provable.dense_gcn import (
    dense,
    dense_adjacency,
    random_graph,
    share,
    weights_of,
    within_budget,
)

N = 9
SLACK = 1e-9


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
