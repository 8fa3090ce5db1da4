"""Keep probabilities against a float64 double loop, and frequencies of drawn views against them."""

from __future__ import annotations

import os
from math import sqrt

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import is_undirected

import gcl
from gcl.augment import CommunalEdgeDropping
from gcl.augment.communal_edge_dropping import communal_edge_rates
from tests.odd_graphs import assert_edges_keep_attributes, hetero, random_graph


def strengths_by_loop(edge_index: Tensor, community: Tensor) -> list[float]:
    """s_e of a graph of weight 1 an edge, straight from the definition."""
    edges = edge_index.t().tolist()
    of = community.tolist()
    m = sum(0.5 if u != v else 1.0 for u, v in edges)
    strength: dict[int, float] = {}
    for c in set(of):
        inside = sum(0.5 if u != v else 1.0 for u, v in edges if of[u] == of[v] == c)
        degree = sum(1 if u != v else 2 for u, v in edges if of[u] == c)
        strength[c] = inside / m - (degree / (2 * m)) ** 2
    return [
        strength[of[u]] if of[u] == of[v] else -(strength[of[u]] + strength[of[v]])
        for u, v in edges
    ]


def rates_by_loop(s: list[float], p: float, threshold: float) -> list[float]:
    low, high = min(s), max(s)
    w = [(x - low) / (high - low) for x in s]
    mean = sum(w) / len(w)
    return [1 - min(max(x / mean * (1 - p), 1 - threshold), 1) for x in w]


def communal(n: int, e: int, seed: int, groups: int = 4) -> Data:
    data = random_graph(n, e, seed)
    data.community = torch.arange(n) % groups
    s = strengths_by_loop(data.edge_index, data.community)
    data.edge_strength = torch.tensor(s, dtype=torch.float64)
    return data


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("p", "threshold"), [(0.2, 1.0), (0.7, 1.0), (0.6, 0.7), (1.0, 0.9)])
def test_probabilities_are_the_formula(seed: int, p: float, threshold: float) -> None:
    s = communal(30, 90, seed).edge_strength
    rates = communal_edge_rates(s, p, threshold)
    expected = rates_by_loop(s.tolist(), p, threshold)
    assert p == 1 or len(set(expected)) > 3
    assert rates.tolist() == pytest.approx(expected, abs=1e-12)
    # The scale of the strengths does not matter, so they may come normalised already.
    again = communal_edge_rates((s - s.min()) / (s.max() - s.min()), p, threshold)
    assert again.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.skipif("GCL_DATA" not in os.environ, reason="needs Cora")
def test_probabilities_are_the_formula_on_cora() -> None:
    data = gcl.datasets.load("cora")
    s = strengths_by_loop(data.edge_index, data.y)  # classes are communities too
    rates = communal_edge_rates(torch.tensor(s, dtype=torch.float64), 0.4, 0.9)
    assert rates.tolist() == pytest.approx(rates_by_loop(s, 0.4, 0.9), abs=1e-12)


@pytest.mark.parametrize("undirected", [True, False])
@pytest.mark.parametrize("as_weight", [True, False])
def test_frequencies_match(undirected: bool, as_weight: bool) -> None:
    data = communal(20, 40, 0)
    del data.edge_weight
    data.place = torch.arange(data.num_edges)
    rates = rates_by_loop(data.edge_strength.tolist(), 0.5, 0.8)
    drop = CommunalEdgeDropping(0.5, threshold=0.8, undirected=undirected, as_weight=as_weight)
    draws, kept = 2000, torch.zeros(data.num_edges)
    torch.manual_seed(1)
    for _ in range(draws):
        view = drop(data)
        kept[view.place[view.edge_weight != 0] if as_weight else view.place] += 1
    for edge, rate in enumerate(rates):
        expected = draws * (1 - rate)
        assert abs(float(kept[edge]) - expected) <= 4 * sqrt(draws * rate * (1 - rate)) + 1e-9


def test_directions_go_together() -> None:
    data = communal(60, 200, 0)
    torch.manual_seed(0)
    view = CommunalEdgeDropping(0.4)(data)
    assert 0 < view.num_edges < data.num_edges
    assert is_undirected(view.edge_index, num_nodes=60)
    assert_edges_keep_attributes(view)
    torch.manual_seed(0)
    assert not is_undirected(CommunalEdgeDropping(0.4, undirected=False)(data).edge_index)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_equal_strengths_drop_uniformly(noise: float) -> None:
    s = 0.1 + noise * torch.rand(1000, dtype=torch.float64)
    assert communal_edge_rates(s, 0.3).tolist() == pytest.approx([0.3] * 1000)
    assert communal_edge_rates(torch.zeros(3), 0.3).tolist() == pytest.approx([0.3] * 3)


def test_each_graph_of_a_batch_has_its_own_scale() -> None:
    # Alone, each graph keeps exactly its stronger half.
    ring = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    parts = [
        Data(x=torch.ones(4, 1), edge_index=ring, edge_strength=torch.tensor([a, b, a, b]))
        for a, b in [(0.0, 1.0), (-9.0, -5.0), (0.2, 0.1)]
    ]
    parts.append(Data(x=torch.ones(1, 1), edge_index=ring[:, :0], edge_strength=torch.empty(0)))
    view = CommunalEdgeDropping(0.5)(Batch.from_data_list(parts))
    kept = [part.edge_strength.tolist() for part in view.to_data_list()]
    assert kept == [[1, 1], [-5, -5], pytest.approx([0.2, 0.2]), []]


def test_hetero_types_and_their_reverse() -> None:
    data = hetero()
    for store in data.edge_stores:
        store.edge_strength = 1.0 / (1 + store.edge_index.sum(0))
    torch.manual_seed(0)
    view = CommunalEdgeDropping(0.5)(data)
    forward, backward = view["author", "writes", "paper"], view["paper", "written_by", "author"]
    pairs = [set(map(tuple, e.t().tolist())) for e in (forward.edge_index, backward.edge_index)]
    assert {(b, a) for a, b in pairs[0]} == pairs[1]
    assert 0 < len(pairs[0]) < 6


def test_errors() -> None:
    data = random_graph(6, 9, 0)
    del data.edge_strength
    with pytest.raises(ValueError, match=r"no attribute 'edge_strength'.*gcl\.transforms\.AddComm"):
        CommunalEdgeDropping(0.3)(data)
    data.edge_strength = torch.ones(2)
    with pytest.raises(ValueError, match="one number per edge"):
        CommunalEdgeDropping(0.3)(data)
    data.edge_strength = torch.full((data.num_edges,), torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        CommunalEdgeDropping(0.3)(data)
    with pytest.raises(ValueError, match=r"threshold must lie in \[0, 1\]"):
        CommunalEdgeDropping(0.3, threshold=1.2)
