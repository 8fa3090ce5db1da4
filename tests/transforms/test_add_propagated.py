"""AddPropagated: what it writes, what it leaves, what it refuses."""

import copy

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils import from_networkx

import gcl
from gcl.transforms import AddPropagated


def test_replaces_x_by_sgc_of_networkx():
    graph = nx.barbell_graph(4, 2)
    data = from_networkx(graph)
    data.x = torch.rand(10, 3, dtype=torch.float64)
    looped = graph.copy()
    looped.add_edges_from((node, node) for node in graph)
    a = nx.to_numpy_array(looped)
    root = np.diag(a.sum(1) ** -0.5)
    s = root @ a @ root
    expected = torch.from_numpy(np.linalg.matrix_power(s, 3)) @ data.x
    edges = data.edge_index.clone()
    found = AddPropagated(3, keep="last")(copy.copy(data))
    torch.testing.assert_close(found.x, expected)
    assert torch.equal(found.edge_index, edges)


def test_beside_x_where_another_attribute_is_named():
    data = gcl.datasets.load("karate")
    x = data.x
    found = AddPropagated(2, attribute="propagated")(data)
    assert found.x is x
    assert torch.equal(found.propagated, AddPropagated(2)(gcl.datasets.load("karate")).x)
    assert torch.equal(found.subgraph(torch.arange(5)).propagated, found.propagated[:5])


def test_the_graphs_of_a_batch_do_not_meet():
    graphs = [
        Data(x=torch.rand(n, 2), edge_index=torch.randint(0, n, (2, 9)), edge_weight=torch.rand(9))
        for n in (4, 6)
    ]
    transform = AddPropagated(3, keep="concat")
    together = transform(Batch.from_data_list(graphs))
    apart = torch.cat([transform(graph).x for graph in map(copy.copy, graphs)])
    torch.testing.assert_close(together.x, apart)
    assert together.x.shape == (10, 8)


def test_what_it_refuses():
    data = gcl.datasets.load("karate")
    for options, error, message in (
        ({"hops": 0}, ValueError, "hops must be at least 1"),
        ({"hops": 2.5}, TypeError, "hops must be a whole number"),
        ({"hops": 2, "keep": "sum"}, ValueError, "keep must be one of 'mean', 'last', 'concat'"),
        ({"hops": 2, "residual": 1.5}, ValueError, r"residual must lie in \[0, 1\]"),
        ({"hops": 2, "budget": 0}, ValueError, "budget must be at least 1"),
        ({"hops": 2, "attribute": "my x"}, ValueError, "attribute must be a name"),
    ):
        with pytest.raises(error, match=rf"^AddPropagated: {message}"):
            AddPropagated(**options)
    for graph, error, message in (
        (HeteroData(), TypeError, "expected a graph of one node type"),
        (Data(edge_index=data.edge_index, num_nodes=34), ValueError, "the data has no x"),
        (Data(x=torch.rand(3, 2)), ValueError, "the data has no edge_index"),
        (Data(x=torch.rand(3, 2), edge_index=data.edge_index), ValueError, "must lie in"),
    ):
        with pytest.raises(error, match=rf"^AddPropagated: .*{message}"):
            AddPropagated(2)(graph)
    data.edge_weight = torch.full((data.num_edges,), -1.0)
    with pytest.raises(ValueError, match="edge weights must be at least 0, got -1"):
        AddPropagated(2)(data)


def test_prints_what_differs():
    assert repr(AddPropagated(4)) == "AddPropagated(hops=4)"
    assert repr(AddPropagated(2, "last")) == "AddPropagated(hops=2, keep='last')"
