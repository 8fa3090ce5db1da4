"""Modularity and conductance against networkx, k-means against clusters that are there."""

import networkx as nx
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch_geometric.data import Data

from gcl.evaluate import conductance, kmeans_clusters, modularity


def random_graph(seed, *, weighted=False, directed=False, loops=True):
    generator = torch.Generator().manual_seed(seed)
    n = 30
    upper = torch.triu_indices(n, n, offset=0 if loops else 1)
    kept = torch.rand(upper.shape[1], generator=generator) < 0.15
    edges = upper[:, kept]
    weight = torch.rand(edges.shape[1], generator=generator) + 0.1
    if not directed:
        other = edges[0] != edges[1]
        edges = torch.cat([edges, edges[:, other].flip(0)], 1)
        weight = torch.cat([weight, weight[other]])
    data = Data(edge_index=edges, num_nodes=n)
    if weighted:
        data.edge_weight = weight
    return data, torch.randint(5, (n,), generator=generator)


def as_networkx(data):
    """Both directions of a link once, at their mean; a one-way edge at half its weight."""
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    weights = data.get("edge_weight")
    for i, (u, v) in enumerate(data.edge_index.T.tolist()):
        weight = 1.0 if weights is None else float(weights[i])
        weight = weight if u == v else weight / 2
        before = graph.edges[u, v]["weight"] if graph.has_edge(u, v) else 0.0
        graph.add_edge(u, v, weight=before + weight)
    return graph


def groups(assignment):
    return [
        {i for i, c in enumerate(assignment.tolist()) if c == label}
        for label in sorted(set(assignment.tolist()))
    ]


CASES = [{}, {"weighted": True}, {"directed": True, "weighted": True}, {"loops": False}]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("resolution", [1.0, 0.5])
def test_modularity_is_that_of_networkx(case, resolution):
    data, assignment = random_graph(1, **case)
    expected = nx.community.modularity(
        as_networkx(data), groups(assignment), weight="weight", resolution=resolution
    )
    assert modularity(assignment, data, resolution=resolution) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_conductance_is_the_mean_of_that_of_networkx(case):
    data, assignment = random_graph(2, **case)
    graph = as_networkx(data)
    each = [nx.conductance(graph, part, weight="weight") for part in groups(assignment)]
    assert conductance(assignment, data) == pytest.approx(sum(each) / len(each), abs=1e-6)


def test_what_separates_nothing_is_the_worst():
    pair = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)
    assert conductance([0, 0, 1], pair) == 1.0  # all links, and none
    assert conductance([0, 0, 0], pair) == 1.0
    assert modularity([7, 7, 7], pair) == 0.0


def test_components_are_perfect_clusters():
    edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    assert conductance([4, 4, 9, 9], Data(edge_index=edges, num_nodes=4)) == 0.0


def test_messages():
    data, assignment = random_graph(3)
    with pytest.raises(ValueError, match="modularity: expected 30 labels"):
        modularity(assignment[:-1], data)
    with pytest.raises(ValueError, match="conductance: the graph has no links"):
        conductance([0, 1], Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=2))
    with pytest.raises(ValueError, match="modularity: resolution"):
        modularity(assignment, data, resolution=0.0)
    with pytest.raises(ValueError, match="kmeans_clusters: clusters"):
        kmeans_clusters(torch.eye(3), 0)


def test_k_means_finds_clusters_and_leaves_the_generator_alone():
    truth = torch.arange(120) % 4
    z = torch.eye(4).repeat(1, 2)[truth] + 0.1 * torch.randn(120, 8)
    before = torch.get_rng_state()
    found = kmeans_clusters(z, 4)
    assert torch.equal(before, torch.get_rng_state())
    assert adjusted_rand_score(truth, found) == 1.0
    assert torch.equal(found, kmeans_clusters(z, 4))
    assert torch.equal(found, kmeans_clusters(z.to_sparse_csr(), 4))


def test_more_starts_fit_no_worse():
    z = torch.nn.functional.normalize(torch.randn(200, 5), dim=1)

    def fit(labels):
        return sum(float(z[labels == c].sum(0).norm()) for c in labels.unique())

    alone = [fit(kmeans_clusters(z, 8, starts=1, seed=s)) for s in range(4)]
    assert fit(kmeans_clusters(z, 8, starts=4)) == pytest.approx(max(alone), abs=1e-3)
