"""AddCommunities: what it writes, where, and what it refuses."""

import pickle

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import RandomNodeLoader

from gcl.datasets import load, sbm
from gcl.graphs.communities import find_communities
from gcl.graphs.validate import validate_graph
from gcl.transforms import AddCommunities

SQUARE = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])


def check_by_loop(data, weight=None):
    """Strengths from networkx's graph, one node and one edge at a time."""
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    weight = torch.ones(data.num_edges) if weight is None else weight
    for (u, v), w in zip(data.edge_index.t().tolist(), weight.tolist(), strict=True):
        graph.add_edge(u, v, weight=w)
    groups = {}
    for node, c in enumerate(data.community.tolist()):
        groups.setdefault(c, set()).add(node)
    m = graph.size(weight="weight")
    strength = {
        c: graph.subgraph(nodes).size(weight="weight") / m
        - (sum(d for _, d in graph.degree(nodes, weight="weight")) / (2 * m)) ** 2
        for c, nodes in groups.items()
    }
    c = data.community.tolist()
    assert sum(strength.values()) == pytest.approx(nx.community.modularity(graph, groups.values()))
    assert data.community_strength.tolist() == pytest.approx([strength[k] for k in c], abs=1e-7)
    assert data.edge_strength.tolist() == pytest.approx(
        [
            strength[c[u]] if c[u] == c[v] else -(strength[c[u]] + strength[c[v]])
            for u, v in data.edge_index.t().tolist()
        ],
        abs=1e-7,
    )


@pytest.mark.parametrize("method", ["leiden", "louvain", "networkx"])
def test_strengths_of_nodes_and_edges(method):
    graph = load("karate")
    data = AddCommunities(method, seed=2)(graph)
    expected = find_communities(graph.edge_index, 34, engine=method, seed=2)
    assert torch.equal(data.community, expected)
    assert "community" not in graph
    check_by_loop(data)
    validate_graph(data)
    for name in ("community_strength", "edge_strength"):
        assert data[name].dtype == torch.float32


def test_weights_of_edges_count():
    data = Data(edge_index=SQUARE, num_nodes=4)
    data.edge_weight = torch.tensor([9.0, 9, 1, 1, 9, 9, 1, 1])
    out = AddCommunities()(data)
    assert out.community.tolist() == [0, 0, 1, 1]
    check_by_loop(out, data.edge_weight)


def test_communities_that_the_user_brings():
    data = load("karate")
    out = AddCommunities(community=3 * data.y - 2)(data)
    assert torch.equal(out.community, data.y)
    check_by_loop(out)
    for bad in (data.y.float(), data.y == 0):
        with pytest.raises(TypeError, match="community must hold integers"):
            AddCommunities(community=bad)
    with pytest.raises(ValueError, match=r"one number for each of 34 nodes, got \[33\]"):
        AddCommunities(community=data.y[1:])(data)


def test_loaders_take_the_rows_along():
    data = AddCommunities()(sbm(60, 3, num_features=4))
    assert data.is_node_attr("community")
    assert data.is_node_attr("community_strength")
    assert data.is_edge_attr("edge_strength")
    data.n_id, data.e_id = torch.arange(60), torch.arange(data.num_edges)
    for part in RandomNodeLoader(data, num_parts=3):
        assert torch.equal(part.community, data.community[part.n_id])
        assert torch.equal(part.community_strength, data.community_strength[part.n_id])
        assert torch.equal(part.edge_strength, data.edge_strength[part.e_id])
    whole = Batch.from_data_list([data, data])
    assert torch.equal(whole.edge_strength, data.edge_strength.repeat(2))
    assert torch.equal(whole.community, data.community.repeat(2))


def test_as_many_edges_as_nodes():
    ring = torch.stack([torch.arange(6), torch.arange(6).roll(-1)])
    data = AddCommunities()(Data(edge_index=ring, num_nodes=6))
    assert data.is_node_attr("community_strength")
    assert data.is_edge_attr("edge_strength")


def test_node_types_with_edges_to_themselves():
    data = HeteroData()
    data["paper"].num_nodes, data["author"].num_nodes = 4, 2
    data["paper", "cites", "paper"].edge_index = SQUARE[:, ::2]
    data["paper", "near", "paper"].edge_index = SQUARE[:, 1::2]
    data["author", "writes", "paper"].edge_index = torch.tensor([[0, 1], [2, 0]])
    both = torch.cat([SQUARE[:, ::2], SQUARE[:, 1::2]], 1)
    alone = AddCommunities()(Data(edge_index=both, num_nodes=4))
    out = AddCommunities()(data)
    assert torch.equal(out["paper"].community, alone.community)
    strengths = [out["paper", kind, "paper"].edge_strength for kind in ("cites", "near")]
    assert torch.equal(torch.cat(strengths), alone.edge_strength)
    assert "community" not in out["author"]
    assert "edge_strength" not in out["author", "writes", "paper"]

    data["paper", "near", "paper"].edge_weight = torch.zeros(4)
    weighted = Data(edge_index=both, edge_weight=torch.tensor([1.0] * 4 + [0] * 4), num_nodes=4)
    strength = AddCommunities()(weighted).community_strength
    assert torch.equal(AddCommunities()(data)["paper"].community_strength, strength)

    mine = torch.tensor([0, 1, 1, 0])
    assert torch.equal(AddCommunities(community=mine)(data)["paper"].community, mine)
    data["author", "knows", "author"].edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="for one node type, but 2 have edges to themselves"):
        AddCommunities(community=mine)(data)
    assert AddCommunities()(data)["author"].community.tolist() == [0, 0]


def test_what_is_refused():
    with pytest.raises(ValueError, match="got a batch of 2; apply AddCommunities to every graph"):
        AddCommunities()(Batch.from_data_list([load("karate")] * 2))
    one = AddCommunities()(Batch.from_data_list([load("karate")]))
    assert torch.equal(one.community, AddCommunities()(load("karate")).community)
    with pytest.raises(ValueError, match="data has no edge_index"):
        AddCommunities()(Data(x=torch.ones(3, 1)))
    data = HeteroData()
    data["a"].num_nodes, data["b"].num_nodes = 2, 2
    data["a", "to", "b"].edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="no edge type joins a node type to itself"):
        AddCommunities()(data)
    for bad, message in (
        ({"method": "label"}, "AddCommunities: method must be one of"),
        ({"seed": -1}, "AddCommunities: seed must be at least 0"),
        ({"resolution": -1.0}, "AddCommunities: resolution must be a number above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            AddCommunities(**bad)


def test_graphs_without_edges():
    out = AddCommunities()(Data(x=torch.ones(3, 1), edge_index=torch.empty(2, 0).long()))
    assert out.community.tolist() == [0, 1, 2]
    assert out.community_strength.tolist() == [0, 0, 0]
    assert out.edge_strength.shape == (0,)


def test_repr_and_pickle():
    transform = AddCommunities("louvain", 3, 2.0)
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    assert repr(transform) == "AddCommunities(method='louvain', seed=3, resolution=2.0)"
    assert repr(AddCommunities(community=torch.zeros(3).long())) == "AddCommunities(community=[3])"
