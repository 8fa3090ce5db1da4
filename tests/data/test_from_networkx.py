"""Graphs of networkx, against PyG's converter."""

import networkx as nx
import pytest
import torch
from torch_geometric import utils

from gcl.data import from_networkx
from gcl.data.from_networkx import from_networkx as from_file


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph])
def test_as_pygs_converter(kind):
    graph = kind(nx.gnp_random_graph(30, 0.2, seed=0, directed=kind is nx.DiGraph))
    for node in graph:
        graph.nodes[node].update(a=float(node), b=node**2)
    for i, edge in enumerate(graph.edges):
        graph.edges[edge]["km"] = float(i)
    theirs = utils.from_networkx(graph, group_node_attrs=["a", "b"], group_edge_attrs=["km"])
    theirs = theirs.coalesce()
    ours = from_networkx(graph)
    assert ours.edge_index.equal(theirs.edge_index)
    assert ours.x.equal(theirs.x.float())
    assert ours.edge_attr.equal(theirs.edge_attr)
    assert ours.feature_names == ["a", "b"]
    assert ours.edge_feature_names == ["km"]
    assert ours.ids.tolist() == list(graph)


def test_the_karate_club():
    graph = nx.karate_club_graph()
    data = from_networkx(graph, label="club")
    assert data.classes == ["Mr. Hi", "Officer"]
    assert [data.classes[c] for c in data.y] == [graph.nodes[v]["club"] for v in graph]
    weights = nx.to_numpy_array(graph)
    found = torch.zeros(34, 34)
    found[tuple(data.edge_index)] = data.edge_weight
    assert found.tolist() == weights.tolist()


def test_attributes_that_some_lack_and_nodes_of_any_kind():
    graph = nx.MultiGraph()
    graph.add_edge((0, 1), "b", weight=2)
    graph.add_edge((0, 1), "b", weight=3)
    graph.add_node(5, colour="red")
    data = from_file(graph)
    assert data.ids.tolist() == ["(0, 1)", "b", "5"]
    assert data.edge_weight.tolist() == [5, 5]
    assert data.feature_names == ["colour=red", "colour=missing"]


def test_what_does_not_fit():
    with pytest.raises(TypeError, match="expected a graph of networkx"):
        from_networkx({"source": [1]})
    with pytest.raises(ValueError, match="more than once"):
        from_networkx(nx.Graph([(1, "1")]))
    with pytest.raises(ValueError, match="holds True and False"):
        from_networkx(nx.Graph([(True, 2)]))
    with pytest.raises(ValueError, match="no column 'age' for label"):
        from_networkx(nx.path_graph(3), label="age")
