from __future__ import annotations

from collections import Counter
from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.utils import is_undirected, to_undirected

from gcl.augment import EdgeDropping
from tests.odd_graphs import (
    assert_edges_keep_attributes,
    batch,
    edge_set,
    graphs,
    hetero,
    random_graph,
)


def within(hits: float, trials: int, p: float, sigmas: float = 4.0) -> bool:
    return abs(hits - trials * p) <= sigmas * sqrt(trials * p * (1 - p)) + 1e-9


@settings(max_examples=60, deadline=None, database=None)
@given(graphs(), st.sampled_from([0.2, 0.7, 1.0]), st.booleans())
def test_edges_vanish_with_their_attributes(data: Data, p: float, undirected: bool) -> None:
    view = EdgeDropping(p, undirected=undirected)(data)
    assert_edges_keep_attributes(view)
    assert not Counter(edge_set(view.edge_index)) - Counter(edge_set(data.edge_index))
    # The order of the list stays too.
    remaining = iter(data.edge_index.t().tolist())
    assert all(edge in remaining for edge in view.edge_index.t().tolist())
    if p == 1:
        assert view.num_edges == 0
    edges = Counter(edge_set(data.edge_index))
    if undirected and all(edges[u, v] == edges[v, u] for u, v in edges):
        kept = Counter(edge_set(view.edge_index))
        assert all(kept[u, v] == kept[v, u] for u, v in kept)


def test_frequency_of_undirected_edges() -> None:
    data = random_graph(400, 8000, 0)
    pairs = data.num_edges // 2
    torch.manual_seed(0)
    view = EdgeDropping(0.3)(data)
    assert is_undirected(view.edge_index, num_nodes=400)
    assert within(pairs - view.num_edges // 2, pairs, 0.3)


def test_frequency_of_directions_apart() -> None:
    data = random_graph(400, 8000, 0)
    pairs = data.num_edges // 2
    torch.manual_seed(0)
    view = EdgeDropping(0.3, undirected=False)(data)
    assert within(data.num_edges - view.num_edges, data.num_edges, 0.3)
    whole = to_undirected(view.edge_index).size(1) // 2
    assert within(pairs - whole, pairs, 0.3**2)


def test_a_directed_graph_has_a_coin_for_every_edge() -> None:
    data = random_graph(300, 6000, 1, undirected=False)
    torch.manual_seed(0)
    view = EdgeDropping(0.4)(data)
    assert within(data.num_edges - view.num_edges, data.num_edges, 0.4)


@pytest.mark.parametrize("as_weight", [False, True])
def test_frequency_follows_importance(as_weight: bool) -> None:
    # Three kinds of edges, 5,000 of each; by hand: mean 1.5, maximum 4.
    phi = torch.tensor([0.0, 0.5, 4.0]).repeat(5000)
    expected = {0.0: min(0.3 * 4 / 2.5, 0.45), 0.5: 0.3 * 3.5 / 2.5, 4.0: 0.0}
    edge_index = torch.stack([torch.arange(15_000), torch.arange(1, 15_001)])
    data = Data(edge_index=edge_index, edge_phi=phi, num_nodes=15_001)
    torch.manual_seed(3)
    view = EdgeDropping(0.3, weight="edge_phi", p_max=0.45, as_weight=as_weight)(data)
    kept = view.edge_phi[view.edge_weight != 0] if as_weight else view.edge_phi
    for value, rate in expected.items():
        assert within(5000 - int((kept == value).sum()), 5000, rate)


def test_directions_share_the_mean_of_their_rates() -> None:
    # Forward edges would always drop, backward edges never.
    forward = torch.stack([torch.arange(8000), torch.arange(8000) + 8000])
    data = Data(edge_index=torch.cat([forward, forward.flip(0)], 1), num_nodes=16_000)
    data.edge_phi = torch.tensor([0.0, 1.0]).repeat_interleave(8000)
    torch.manual_seed(0)
    view = EdgeDropping(0.5, weight="edge_phi", p_max=1.0)(data)
    assert is_undirected(view.edge_index, num_nodes=16_000)
    assert within(view.num_edges // 2, 8000, 0.5)


def test_importance_is_scaled_within_each_graph_of_a_batch() -> None:
    # Alone, each graph loses exactly its unimportant half.
    ring = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    parts = [
        Data(x=torch.ones(4, 1), edge_index=ring, edge_phi=torch.tensor([a, b, a, b]))
        for a, b in [(0.0, 1.0), (50.0, 90.0), (7.0, 6.0)]
    ]
    view = EdgeDropping(0.5, weight="edge_phi", p_max=1.0)(Batch.from_data_list(parts))
    assert [part.edge_phi.tolist() for part in view.to_data_list()] == [[1, 1], [90, 90], [7, 7]]


def test_equal_importances_are_uniform() -> None:
    data = random_graph(400, 8000, 0)
    data.edge_phi = torch.full((data.num_edges,), 0.1)
    torch.manual_seed(0)
    one = EdgeDropping(0.3, weight="edge_phi")(data)
    torch.manual_seed(0)
    assert torch.equal(one.edge_index, EdgeDropping(0.3)(data).edge_index)


@settings(max_examples=30, deadline=None, database=None)
@given(graphs(), st.integers(0, 10))
def test_as_weight_is_the_same_view(data: Data, seed: int) -> None:
    torch.manual_seed(seed)
    compact = EdgeDropping(0.5)(data)
    torch.manual_seed(seed)
    view = EdgeDropping(0.5, as_weight=True)(data)
    assert view.edge_index is data.edge_index
    original = data.edge_weight if "edge_weight" in data else torch.ones(data.num_edges)
    kept = (view.edge_weight != 0) | (original == 0)
    assert torch.equal(view.edge_weight[kept], original[kept].to(view.edge_weight.dtype))
    # An edge 0 -> 0 weighs 0 from the start in these graphs: compare the others.
    tags = compact.edge_attr[compact.edge_attr[:, 0] != 0]
    assert torch.equal(view.edge_attr[(view.edge_weight != 0) & (data.edge_attr[:, 0] != 0)], tags)


def test_as_weight_zeroes_wide_weights() -> None:
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    data.edge_weight = torch.tensor([[3.0], [1.0]])
    assert EdgeDropping(1.0, as_weight=True)(data).edge_weight.tolist() == [[0.0], [0.0]]


def test_as_weight_reaches_the_graphs_of_a_batch() -> None:
    data = batch()
    del data.edge_weight
    parts = EdgeDropping(0.5, as_weight=True)(data).to_data_list()
    assert [part.edge_weight.numel() for part in parts] == [p.num_edges for p in parts]


def test_ones_have_the_type_of_the_features() -> None:
    data = Data(x=torch.ones(2, 1).double(), edge_index=torch.tensor([[0, 1], [1, 0]]))
    assert EdgeDropping(0.5, as_weight=True)(data).edge_weight.dtype == torch.float64


@pytest.mark.parametrize("seed", range(5))
def test_hetero_types_and_their_reverse(seed: int) -> None:
    data = hetero()
    torch.manual_seed(seed)
    view = EdgeDropping(0.5)(data)
    forward, backward = view["author", "writes", "paper"], view["paper", "written_by", "author"]
    assert edge_set(forward.edge_index.flip(0)) == edge_set(backward.edge_index)
    for store, (author, paper) in [(forward, (0, 1)), (backward, (1, 0))]:
        tags = store.edge_index[author] * 100 + store.edge_index[paper]
        assert torch.equal(store.edge_attr, tags)
    assert is_undirected(view["paper", "like", "paper"].edge_index)
    assert view["paper"].num_nodes == 5


def test_hetero_types_have_coins_of_their_own() -> None:
    torch.manual_seed(0)
    views = [EdgeDropping(0.5)(hetero()) for _ in range(400)]
    for key, coins in [(("author", "writes", "paper"), 6), (("author", "cites", "paper"), 3)]:
        kept = sum(view[key].num_edges for view in views)
        assert within(kept, 400 * coins, 0.5)
    # Two types that do not belong together are independent.
    both = sum(
        view["author", "writes", "paper"].num_edges >= 3
        and view["author", "cites", "paper"].num_edges >= 2
        for view in views
    )
    assert within(both, 400, 42 / 64 * 0.5)


def test_hetero_without_features_infers_sizes_from_all_types() -> None:
    data = hetero()
    del data["paper"].x, data["author"].x
    view = EdgeDropping(1.0)(data)
    assert (view["paper"].num_nodes, view["author"].num_nodes) == (5, 4)


def test_as_many_nodes_as_edges() -> None:
    # PyG cannot tell `score` from an edge attribute once edges are gone.
    data = Data(x=torch.eye(4), edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]))
    data.score, data.edge_score = torch.arange(4), torch.arange(4)
    for seed in range(4):
        torch.manual_seed(seed)
        view = EdgeDropping(0.5)(data)
        assert view.score.numel() == 4
        assert view.edge_score.numel() == view.num_edges


def test_errors() -> None:
    data = random_graph(5, 6, 0)
    with pytest.raises(ValueError, match="no attribute 'phi'; set it to a tensor with one number"):
        EdgeDropping(0.2, weight="phi")(data)
    data.phi = torch.ones(3)
    with pytest.raises(ValueError, match=r"one number per edge \(\d+\), got 3"):
        EdgeDropping(0.2, weight="phi")(data)
    data.phi = torch.full((data.num_edges,), torch.nan)
    with pytest.raises(ValueError, match="holds NaN"):
        EdgeDropping(0.2, weight="phi")(data)
    with pytest.raises(TypeError, match="name of an attribute"):
        EdgeDropping(0.2, weight=torch.ones(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="p_max"):
        EdgeDropping(0.2, p_max=2)
    with pytest.raises(ValueError, match=r"data\[\('author', 'writes', 'paper'\)\]"):
        EdgeDropping(0.2, weight="phi")(hetero())
