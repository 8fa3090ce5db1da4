from __future__ import annotations

from math import sqrt

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from scipy import stats
from torch_geometric.data import Batch, Data
from torch_geometric.utils import is_undirected, subgraph

from gcl.augment import NodeDropping
from tests.odd_graphs import (
    assert_edges_keep_attributes,
    batch,
    edge_set,
    graphs,
    hetero,
    random_graph,
)


@settings(max_examples=60, deadline=None, database=None)
@given(graphs())
def test_what_remains_is_induced(data: Data) -> None:
    view = NodeDropping(0.4)(data)
    assert_edges_keep_attributes(view)
    assert torch.equal(view.x, data.x)
    graph = nx.MultiDiGraph(data.edge_index.t().tolist())
    survivors = set(view.edge_index.view(-1).tolist())
    assert edge_set(view.edge_index) == sorted(graph.subgraph(survivors).edges())


def test_frequency_and_self_loops() -> None:
    # A self-loop goes exactly with its node.
    data = Data(edge_index=torch.arange(5000).repeat(2, 1), num_nodes=5000)
    torch.manual_seed(0)
    kept = NodeDropping(0.2)(data).num_edges
    assert abs(kept - 4000) < 4 * sqrt(5000 * 0.2 * 0.8)
    assert NodeDropping(1.0)(data).num_edges == 0


def test_undirected_stays_undirected() -> None:
    view = NodeDropping(0.3)(random_graph(60, 300, 0))
    assert is_undirected(view.edge_index, num_nodes=60)


def test_a_node_is_dropped_in_all_edge_types() -> None:
    data = hetero()
    for seed in range(10):
        torch.manual_seed(seed)
        view = NodeDropping(0.4)(data)
        alive = {
            kind: {
                int(node)
                for store in view.edge_stores
                for end, row in zip((0, 2), store.edge_index, strict=True)
                if store._key[end] == kind
                for node in row
            }
            for kind in ("paper", "author")
        }
        for store in data.edge_stores:
            expected = [
                (u, v)
                for u, v in edge_set(store.edge_index)
                if u in alive[store._key[0]] and v in alive[store._key[2]]
            ]
            assert edge_set(view[store._key].edge_index) == expected


@settings(max_examples=60, deadline=None, database=None)
@given(graphs())
def test_removal_leaves_an_induced_graph(data: Data) -> None:
    data.pos = data.x[:, :2]
    view = NodeDropping(0.5, remove=True)(data)
    nodes = view.y
    assert nodes.numel() == view.num_nodes > 0
    assert nodes.tolist() == sorted(nodes.tolist())
    for key in ("x", "pos", "train_mask", "community_strength"):
        assert torch.equal(view[key], data[key][nodes])
    # PyG's own way to the same graph
    edge_index, edge_attr = subgraph(
        nodes, data.edge_index, data.edge_attr, relabel_nodes=True, num_nodes=data.num_nodes
    )
    assert torch.equal(view.edge_index, edge_index)
    assert torch.equal(view.edge_attr, edge_attr)


def test_removal_has_the_law_of_independent_coins_given_that_a_node_stays() -> None:
    # 4,000 graphs of three nodes at once; a set S stays with (1-p)^|S| p^(3-|S|), and where all
    # coins say drop, each node is the one that stays with a third of p^3.
    p, copies = 0.6, 4000
    torch.manual_seed(0)
    path = Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    view = NodeDropping(p, remove=True)(Batch.from_data_list([path] * copies))
    code = torch.zeros(copies).index_add_(0, view.batch, view.x @ torch.tensor([1.0, 2.0, 4.0]))
    size = torch.tensor([bin(s).count("1") for s in range(8)], dtype=torch.float64)
    law = (1 - p) ** size * p ** (3 - size)
    law[[1, 2, 4]] += law[0] / 3
    law[0] = 0
    found = torch.bincount(code.long(), minlength=8)
    assert found[0] == 0
    assert stats.chisquare(found[1:].numpy(), copies * law[1:].numpy()).pvalue > 1e-3


def test_removal_keeps_the_books_of_a_batch() -> None:
    data = batch()
    torch.manual_seed(0)
    view = NodeDropping(0.9, remove=True)(data)
    assert view.num_graphs == 3
    assert view.ptr.tolist() == [0, *view.batch.bincount(minlength=3).cumsum(0).tolist()]
    for part, original in zip(view.to_data_list(), data.to_data_list(), strict=True):
        assert 1 <= part.num_nodes <= original.num_nodes
        assert torch.equal(part.label, original.label)
        assert torch.equal(part.x, original.x[part.y])
    assert NodeDropping(1.0, remove=True)(data).batch.tolist() == [0, 1, 2]
    assert data.num_nodes == 16


def test_removal_with_empty_graphs() -> None:
    empty = Data(x=torch.zeros(0, 2), edge_index=torch.empty(2, 0, dtype=torch.long))
    full = Data(x=torch.ones(3, 2), edge_index=torch.tensor([[0], [1]]))
    view = NodeDropping(1.0, remove=True)(Batch.from_data_list([empty, full, empty]))
    assert [part.num_nodes for part in view.to_data_list()] == [0, 1, 0]


def test_removal_refuses_attributes_that_hold_node_numbers() -> None:
    data = random_graph(5, 6, 0)
    data.face = torch.tensor([[0], [1], [2]])
    with pytest.raises(ValueError, match="NodeDropping: 'face' looks like node numbers"):
        NodeDropping(0.5, remove=True)(data)
    assert NodeDropping(0.5)(data).face is data.face


def test_labels_of_graphs_stay_where_graphs_and_nodes_are_as_many():
    ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
    empty = torch.empty(2, 0, dtype=torch.long)
    parts = [
        Data(x=torch.ones(3, 1), edge_index=ring, y=torch.tensor([4])),
        Data(x=torch.ones(0, 1), edge_index=empty, y=torch.tensor([5])),
        Data(x=torch.ones(0, 1), edge_index=empty, y=torch.tensor([6])),
    ]
    data = Batch.from_data_list(parts)
    assert data.num_nodes == data.num_graphs == 3
    view = NodeDropping(0.9, remove=True)(data)
    assert view.y.tolist() == [4, 5, 6]
    assert view.num_nodes < 3
    assert len(view.x) == len(view.batch) == view.num_nodes


@pytest.mark.parametrize("remove", [False, True])
def test_features_may_be_one_number_a_node(remove):
    edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])  # as many as nodes
    views = []
    for x in (torch.arange(4.0), torch.arange(4.0)[:, None]):
        torch.manual_seed(0)
        views.append(NodeDropping(0.5, remove)(Data(x=x, edge_index=edges)))
    assert torch.equal(views[0].x, views[1].x[:, 0])
    assert torch.equal(views[0].edge_index, views[1].edge_index)
