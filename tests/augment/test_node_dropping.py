from __future__ import annotations

from math import sqrt

import networkx as nx
import torch
from hypothesis import given, settings
from torch_geometric.data import Data
from torch_geometric.utils import is_undirected

from gcl.augment import NodeDropping
from tests.augment.odd_graphs import (
    assert_edges_keep_attributes,
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
