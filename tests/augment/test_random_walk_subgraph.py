from __future__ import annotations

from collections import Counter
from math import ceil, sqrt

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from gcl.augment import RandomWalkSubgraph
from tests.odd_graphs import batch, edge_set, graphs, hetero, random_graph, tagged


def assert_induced(view: Data, data: Data) -> list[int]:
    """Checks the view of a `tagged` graph against networkx; returns the old node numbers."""
    nodes = view.y.tolist()
    assert nodes == sorted(nodes)
    assert torch.equal(view.x, data.x[nodes])
    assert torch.equal(view.train_mask, data.train_mask[nodes])
    old = torch.tensor(nodes)[view.edge_index] if nodes else view.edge_index
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.t().tolist())
    assert edge_set(old) == sorted(graph.subgraph(nodes).edges())
    assert torch.equal(view.edge_attr[:, 0], (old[0] * 1000 + old[1]).to(view.edge_attr.dtype))
    return nodes


@settings(max_examples=80, deadline=None, database=None)
@given(graphs(), st.sampled_from([1, 2, 0.3]), st.integers(0, 3))
def test_induced_by_connected_walks(data: Data, num_starts: int | float, length: int) -> None:
    view = RandomWalkSubgraph(num_starts, walk_length=length)(data)
    nodes = assert_induced(view, data)
    n = data.num_nodes
    starts = ceil(n * num_starts) if isinstance(num_starts, float) else min(num_starts, n)
    assert starts <= len(nodes) <= starts * (length + 1)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(data.edge_index.t().tolist())
    assert nx.number_connected_components(graph.subgraph(nodes)) <= starts


def test_steps_are_uniform() -> None:
    # A triangle 0-1-2 with a tail 2-3, one start, one step: by hand from the transition matrix.
    pairs = torch.tensor([[0, 0, 1, 2], [1, 2, 2, 3]])
    data = tagged(torch.cat([pairs, pairs.flip(0)], 1), 4)
    expected = {
        (0, 1): (1 / 2 + 1 / 2) / 4,
        (0, 2): (1 / 2 + 1 / 3) / 4,
        (1, 2): (1 / 2 + 1 / 3) / 4,
        (2, 3): (1 / 3 + 1) / 4,
    }
    torch.manual_seed(0)
    draws = 2500
    walk = RandomWalkSubgraph(1, walk_length=1)
    hits = Counter(tuple(walk(data).y.tolist()) for _ in range(draws))
    assert set(hits) == set(expected)
    for nodes, p in expected.items():
        assert abs(hits[nodes] - draws * p) < 4.5 * sqrt(draws * p * (1 - p))


def test_directions_are_ignored() -> None:
    data = tagged(torch.tensor([[0], [1]]), 2)
    for seed in range(8):
        torch.manual_seed(seed)
        assert RandomWalkSubgraph(1, walk_length=1)(data).num_nodes == 2


def test_starts_in_every_graph_of_a_batch() -> None:
    data = batch()
    parts = RandomWalkSubgraph(2, walk_length=0)(data).to_data_list()
    assert [part.num_nodes for part in parts] == [2, 1, 2]
    parts = RandomWalkSubgraph(0.5, walk_length=0)(data).to_data_list()
    assert [part.num_nodes for part in parts] == [3, 1, 5]


@pytest.mark.parametrize("explicit", [False, True])
def test_batch_is_taken_apart_rightly(explicit: bool) -> None:
    parts = [random_graph(6, 12, 0), random_graph(1, 0, 1), random_graph(30, 60, 2)]
    for part in parts:
        part.label = torch.tensor([part.num_nodes])
        part.name = f"graph of {part.num_nodes}"
        if explicit:
            part.num_nodes = part.x.size(0)
    data = Batch.from_data_list(parts)
    for seed in range(4):
        torch.manual_seed(seed)
        view = RandomWalkSubgraph(2, walk_length=2)(data)
        assert view.num_graphs == 3
        assert view.ptr.tolist() == [0, *view.batch.bincount(minlength=3).cumsum(0).tolist()]
        for part, original in zip(view.to_data_list(), parts, strict=True):
            assert part.num_nodes == part.x.size(0)
            assert_induced(part, original)
            assert torch.equal(part.label, original.label)
            assert part.name == original.name
    assert data.num_nodes == 37


def test_as_many_nodes_as_pointers() -> None:
    # Four nodes in three graphs: `ptr` has one row a node.
    data = Batch.from_data_list([random_graph(n, 0, 0) for n in (1, 2, 1)])
    view = RandomWalkSubgraph(1, walk_length=3)(data)
    assert view.ptr.tolist() == [0, 1, 2, 3]
    assert [part.num_nodes for part in view.to_data_list()] == [1, 1, 1]


def test_hetero_walks_cross_types() -> None:
    data = hetero()
    data["author"].y, data["paper"].y = torch.arange(4), torch.arange(5)
    torch.manual_seed(0)
    sizes = set()
    for _ in range(20):
        view = RandomWalkSubgraph(1, walk_length=2)(data)
        for kind in ("author", "paper"):
            assert torch.equal(view[kind].x, data[kind].x[view[kind].y])
        sizes.add((view["author"].num_nodes > 0, view["paper"].num_nodes > 0))
        for store in data.edge_stores:
            src, dst = view[store._key[0]].y.tolist(), view[store._key[2]].y.tolist()
            old = [(src[u], dst[v]) for u, v in edge_set(view[store._key].edge_index)]
            expected = [(u, v) for u, v in edge_set(store.edge_index) if u in src and v in dst]
            assert old == expected
        writes = view["author", "writes", "paper"]
        assert writes.edge_attr.numel() == writes.num_edges
    assert (True, True) in sizes


def test_feature_importance_is_no_node_attribute() -> None:
    data = tagged(torch.tensor([[0, 1], [1, 0]]), 3)
    data.feature_importance = torch.ones(3)
    assert RandomWalkSubgraph(1, walk_length=0)(data).feature_importance.numel() == 3


def test_csr_features_follow() -> None:
    data = random_graph(20, 30, 0)
    dense, data.x = data.x, data.x.to_sparse_csr()
    view = RandomWalkSubgraph(2, walk_length=2)(data)
    assert torch.equal(view.x.to_dense(), dense[view.y])


def test_errors() -> None:
    for bad in (0, -1, 0.0, 1.5):
        with pytest.raises(ValueError, match="num_starts must"):
            RandomWalkSubgraph(bad)
    with pytest.raises(TypeError, match="num_starts"):
        RandomWalkSubgraph("all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="walk_length must be at least 0"):
        RandomWalkSubgraph(1, walk_length=-1)
    with pytest.raises(TypeError, match="walk_length must be a whole number"):
        RandomWalkSubgraph(1, walk_length=0.5)  # type: ignore[arg-type]
    data = random_graph(5, 6, 0)
    data.edge_label_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="'edge_label_index' looks like node numbers"):
        RandomWalkSubgraph(1)(data)
