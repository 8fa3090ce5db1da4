"""AddCentrality against networkx, NumPy's eigenvectors and plain double loops."""

import math
import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils import to_undirected

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.datasets import load
from gcl.transforms import AddCentrality, ToSparseFeatures
from gcl.transforms.add_centrality import KINDS, _centrality


def as_edges(graph):
    edges = torch.tensor(list(graph.edges)).t()
    return edges if graph.is_directed() else to_undirected(edges, num_nodes=len(graph))


def graph_with_features(seed=0):
    g = torch.Generator().manual_seed(seed)
    edges = to_undirected(torch.randint(18, (2, 40), generator=g), num_nodes=20)
    x = torch.randn(20, 7, generator=g) * (torch.rand(20, 7, generator=g) < 0.3)
    x[:, 4] = 0
    return Data(x=x, edge_index=edges)


@pytest.mark.parametrize("binarize", [None, True, False])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_importances_equal_a_double_loop(kind, sparse, binarize):
    data = graph_with_features()
    out = AddCentrality(kind, binarize)(ToSparseFeatures(1.0)(data) if sparse else data)
    c = _centrality(kind, data.edge_index, None, 20).tolist()
    assert out.edge_importance.tolist() == pytest.approx(
        [math.log(max(c[v], 1e-8)) for v in data.edge_index[1].tolist()], abs=1e-5
    )
    expected = []
    for f in range(7):
        column = [abs(value) for value in data.x[:, f].tolist()]
        if binarize is not False:
            column = [float(value > 0) for value in column]
        used = sum(value * weight for value, weight in zip(column, c, strict=True))
        expected.append(math.log(max(used, 1e-8)))
    assert out.feature_importance.tolist() == pytest.approx(expected, abs=1e-5)
    assert out.feature_importance[4] == pytest.approx(math.log(1e-8))
    assert out.feature_importance.dtype == out.edge_importance.dtype == torch.float32
    assert "edge_importance" not in data


@pytest.mark.parametrize("sparse", [False, True])
def test_dense_features_are_not_binarised_by_themselves(sparse):
    data = graph_with_features()
    data.x = data.x.abs() + 0.5
    data.x[0, 0] = -3
    x = data.x.to_sparse_csr() if sparse else data.x
    out = AddCentrality()(Data(x=x, edge_index=data.edge_index))
    expected = AddCentrality(binarize=False)(data).feature_importance
    assert torch.allclose(out.feature_importance, expected)
    assert not torch.allclose(expected, AddCentrality(binarize=True)(data).feature_importance)


@pytest.mark.parametrize(
    "graph",
    [
        nx.karate_club_graph(),
        nx.star_graph(6),
        nx.disjoint_union(nx.path_graph(5), nx.complete_graph(4)),
        nx.gnp_random_graph(40, 0.04, seed=1, directed=True),  # with nodes that lead nowhere
        nx.empty_graph(3),
    ],
)
def test_pagerank_is_networkx(graph):
    edges = as_edges(graph) if graph.number_of_edges() else torch.empty(2, 0).long()
    graph = nx.DiGraph(edges.t().tolist()) if graph.number_of_edges() else graph
    graph.add_nodes_from(range(max(graph) + 1))
    expected = nx.pagerank(graph, alpha=0.85, tol=1e-12, max_iter=1000, weight=None)
    found = _centrality("pagerank", edges, None, len(graph)).tolist()
    assert found == pytest.approx([expected[i] for i in range(len(graph))], abs=1e-9)
    assert sum(found) == pytest.approx(1)


def test_pagerank_and_degree_with_weights():
    edges = torch.tensor([[0, 0, 1, 2, 2, 2], [1, 2, 0, 0, 1, 1]])  # 2 -> 1 is listed twice
    weight = torch.tensor([3.0, 0, 1, 2, 5, 1])
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([(0, 1, 3), (0, 2, 0), (1, 0, 1), (2, 0, 2), (2, 1, 6)])
    expected = nx.pagerank(graph, tol=1e-12, max_iter=1000)
    found = _centrality("pagerank", edges, weight, 3).tolist()
    assert found == pytest.approx([expected[i] for i in range(3)], abs=1e-9)
    assert _centrality("degree", edges, weight, 3).tolist() == [3, 9, 0]
    data = Data(edge_index=edges, edge_weight=weight, num_nodes=3)
    logs = AddCentrality(eps=0.5)(data).edge_importance
    assert logs.exp().tolist() == pytest.approx([9, 0.5, 3, 3, 9, 9])
    assert "feature_importance" not in AddCentrality()(data)
    data.edge_weight = weight[1:]
    with pytest.raises(ValueError, match=r"one row per edge \(6\), got 5"):
        AddCentrality()(data)
    for bad in (-weight, weight / 0):
        data.edge_weight = bad
        with pytest.raises(ValueError, match="edge_weight must hold 6 finite numbers >= 0"):
            AddCentrality()(data)


@pytest.mark.parametrize("binarize", [None, True, False])
def test_truth_values_count_as_ones(binarize):
    torch.manual_seed(0)
    x, edges = torch.rand(20, 6) > 0.5, torch.randint(20, (2, 60))
    forms = (x.float(), x, x.to_sparse_csr())
    found = [
        AddCentrality(binarize=binarize)(Data(x=form, edge_index=edges)).feature_importance
        for form in forms
    ]
    assert all(torch.equal(one, found[0]) for one in found)


@pytest.mark.parametrize("seed", range(4))
def test_eigenvector_is_that_of_the_dense_matrix(seed):
    graph = nx.connected_watts_strogatz_graph(30, 4, 0.5, seed=seed)
    rng = np.random.default_rng(seed)
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = rng.random()
    edges = torch.tensor([(u, v) for u, v in nx.DiGraph(graph).edges]).t()
    weight = torch.tensor([graph.edges[u, v]["weight"] for u, v in edges.t().tolist()])
    leading = np.linalg.eigh(nx.to_numpy_array(graph, nodelist=range(30)))[1][:, -1]
    found = _centrality("eigenvector", edges, weight.double(), 30)
    assert found.tolist() == pytest.approx(np.abs(leading).tolist(), abs=1e-7)
    # One-way edges are links of half the weight.
    up = edges[0] < edges[1]
    half = _centrality("eigenvector", edges[:, up], weight[up].double(), 30)
    assert half.tolist() == pytest.approx(found.tolist(), abs=1e-7)


def test_eigenvector_of_disconnected_and_even_graphs():
    # K4 and a pair: only K4 has the largest eigenvalue.
    edges = torch.cat([as_edges(nx.complete_graph(4)), torch.tensor([[4, 5], [5, 4]])], 1)
    found = _centrality("eigenvector", edges, None, 7)
    assert found.tolist() == pytest.approx([0.5] * 4 + [0] * 3, abs=1e-8)
    # Components that tie share alike, each time.
    many = nx.disjoint_union_all([nx.complete_graph(4)] * 10)
    for _ in range(3):
        even = _centrality("eigenvector", as_edges(many), None, 40)
        assert even.tolist() == pytest.approx([40**-0.5] * 40)
    stars = nx.disjoint_union_all([nx.star_graph(4)] * 2 + [nx.path_graph(3)])
    centre, leaf = 0.5, 0.25
    expected = 2 * [centre, leaf, leaf, leaf, leaf] + [0, 0, 0]
    found = _centrality("eigenvector", as_edges(stars), None, 13)
    assert found.tolist() == pytest.approx(expected, abs=1e-8)
    none = torch.empty(2, 0).long()
    assert _centrality("eigenvector", none, None, 4).tolist() == [0.5] * 4
    assert _centrality("eigenvector", none, None, 0).tolist() == []
    loop = torch.zeros(2, 1, dtype=torch.long)
    assert _centrality("eigenvector", loop, None, 1).tolist() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_augmentations_take_it(kind):
    data = AddCentrality(kind)(graph_with_features())
    view = FeatureMasking(0.5, "feature_importance")(EdgeDropping(0.5, "edge_importance")(data))
    assert view.num_edges < data.num_edges
    assert view.edge_importance.shape == (view.num_edges,)
    assert data.is_edge_attr("edge_importance")


def test_node_types_on_their_own():
    graph = graph_with_features()
    data = HeteroData()
    data["paper"].x, data["author"].x = graph.x, torch.ones(3, 2)
    data["paper", "cites", "paper"].edge_index = graph.edge_index
    data["paper", "by", "author"].edge_index = torch.tensor([[0, 5], [2, 0]])
    out, alone = AddCentrality()(data), AddCentrality()(graph)
    assert torch.equal(out["paper"].feature_importance, alone.feature_importance)
    assert torch.equal(out["paper", "cites", "paper"].edge_importance, alone.edge_importance)
    assert "feature_importance" not in out["author"]
    assert "edge_importance" not in out["paper", "by", "author"]


def test_bad_input_repr_and_pickle():
    with pytest.raises(ValueError, match="kind must be one of 'degree', 'pagerank', 'eigenvector'"):
        AddCentrality("closeness")
    with pytest.raises(ValueError, match="eps must be a number above 0"):
        AddCentrality(eps=0.0)
    with pytest.raises(ValueError, match="got a batch of 2; apply AddCentrality to every graph"):
        AddCentrality()(Batch.from_data_list([load("karate")] * 2))
    with pytest.raises(ValueError, match=r"x must be \[n, f\], got \[2\]"):
        AddCentrality()(Data(x=torch.ones(2), edge_index=torch.tensor([[0], [1]])))
    transform = AddCentrality("pagerank", True, 1e-6)
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    assert repr(transform) == "AddCentrality(kind='pagerank', binarize=True, eps=1e-06)"
