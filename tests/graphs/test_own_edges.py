"""The edges that the nodes of one type have among themselves."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from gcl.graphs.own_edges import joined, own_edges
from tests.odd_graphs import hetero, random_graph


def test_a_plain_graph_is_one_type() -> None:
    data = random_graph(5, 8, 0)
    for given in (data, Batch.from_data_list([data])):
        [(nodes, stores)] = own_edges("Me", given)
        assert nodes is given._store
        assert stores == [given._store]


def test_only_types_with_edges_to_themselves_and_all_of_those() -> None:
    data = hetero()
    data["paper", "quotes", "paper"].edge_index = torch.tensor([[3], [2]])
    data["author", "knows", "author"].edge_index = torch.tensor([[0], [1]])
    found = {nodes._key: [s._key[1] for s in stores] for nodes, stores in own_edges("Me", data)}
    assert found == {"paper": ["like", "quotes"], "author": ["knows"]}


def test_edges_of_several_stores_and_ones_where_a_store_has_no_weights() -> None:
    a, b, c = (Data(edge_index=torch.tensor(e)) for e in ([[0, 1], [1, 2]], [[2], [0]], [[], []]))
    c.edge_index = c.edge_index.long()
    edges, weights = joined([a, b, c])
    assert edges.tolist() == [[0, 1, 2], [1, 2, 0]]
    assert weights is None
    b.edge_weight = torch.tensor([0.25])
    edges, weights = joined([a, b, c])
    assert edges.tolist() == [[0, 1, 2], [1, 2, 0]]
    assert weights is not None
    assert weights.tolist() == [1, 1, 0.25]


def test_errors() -> None:
    graph = random_graph(5, 8, 0)
    with pytest.raises(ValueError, match="Me: expected one graph, got a batch of 2; apply Me to"):
        own_edges("Me", Batch.from_data_list([graph, graph]))
    with pytest.raises(ValueError, match="Me: data has no edge_index"):
        own_edges("Me", Data(x=torch.ones(2, 1)))
    data = HeteroData()
    data["a", "to", "b"].edge_index = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match="Me: no edge type joins a node type to itself"):
        own_edges("Me", data)
