"""Communities and their strengths against networkx and plain double loops."""

import itertools

import networkx as nx
import pytest
import torch

from gcl.datasets import load, sbm
from gcl.graphs import communities as module
from gcl.graphs.communities import community_strength, edge_strength, find_communities

LEIDEN = ["networkit", "scikit-network", "igraph", "leidenalg"]
ENGINES = ["leiden", "louvain", "networkx", *LEIDEN]


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param in LEIDEN and not module._is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    return request.param


def random_graph(seed, n=25, directed=False):
    """Edges with loops and repetitions, weights, and the same graph in networkx."""
    g = torch.Generator().manual_seed(seed)
    edges = torch.randint(n - 3, (2, 60), generator=g)  # the last three nodes stay alone
    weight = torch.rand(60, generator=g, dtype=torch.float64)
    if not directed:
        loop = edges[0] == edges[1]
        edges, weight = (
            torch.cat([edges, edges[:, ~loop].flip(0)], 1),
            torch.cat([weight, weight[~loop]]),
        )
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    for (u, v), w in zip(edges.t().tolist(), weight.tolist(), strict=True):
        before = graph.get_edge_data(u, v, {"weight": 0.0})["weight"]
        graph.add_edge(u, v, weight=before + (w if u == v else w / 2))
    return edges, weight, graph


def members(community):
    return [set((community == c).nonzero().flatten().tolist()) for c in community.unique()]


def cliques(*sizes):
    pairs, start = [], 0
    for size in sizes:
        pairs += itertools.permutations(range(start, start + size), 2)
        start += size
    return torch.tensor(pairs).t()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_strengths_sum_to_modularity_and_equal_a_loop(seed, directed):
    edges, weight, graph = random_graph(seed, directed=directed)
    community = torch.randint(5, (25,), generator=torch.Generator().manual_seed(seed))
    strength = community_strength(community, edges, 25, weight)
    total = nx.community.modularity(graph, members(community), weight="weight")
    assert float(strength.sum()) == pytest.approx(total, abs=1e-12)

    m = sum(w for _, _, w in graph.edges(data="weight"))
    for c, nodes in enumerate(members(community)):
        inside = sum(w for u, v, w in graph.edges(data="weight") if u in nodes and v in nodes)
        degree = sum(d for _, d in graph.degree(nodes, weight="weight"))
        assert float(strength[c]) == pytest.approx(inside / m - (degree / (2 * m)) ** 2, abs=1e-14)

    ties = edge_strength(community, strength, edges).tolist()
    s, c = strength.tolist(), community.tolist()
    for (u, v), tie in zip(edges.t().tolist(), ties, strict=True):
        assert tie == (s[c[u]] if c[u] == c[v] else -(s[c[u]] + s[c[v]]))


def test_strengths_of_nothing_and_of_numbers_without_nodes():
    none = torch.empty(2, 0, dtype=torch.long)
    assert community_strength(torch.tensor([0, 2]), none, 2).tolist() == [0, 0, 0]
    assert community_strength(none[0], none, 0).tolist() == []
    strength = community_strength(torch.tensor([0, 0, 2]), torch.tensor([[0, 1], [1, 0]]), 3)
    assert strength.tolist() == [0, 0, 0]
    assert strength.dtype == torch.float64


def test_repeatable_compact_and_close_to_the_best(engine):
    data = sbm(300, 5, degree=12, homophily=0.8, num_features=2, seed=1)
    edges = torch.cat([data.edge_index, torch.tensor([[300], [300]])], 1)  # a loop, and one alone
    found = find_communities(edges, 302, engine=engine, seed=3)
    assert torch.equal(found, find_communities(edges, 302, engine=engine, seed=3))
    first = [found.tolist().index(c) for c in range(int(found.max()) + 1)]
    assert first == sorted(first)
    assert (found == found[300]).sum() == (found == found[301]).sum() == 1
    graph = nx.Graph(edges.t().tolist())
    reached = float(community_strength(found, edges, 302).sum())
    oracle = nx.community.modularity(graph, nx.community.louvain_communities(graph, seed=0))
    assert reached > oracle - 0.01


def test_the_seed_and_the_resolution_matter(engine):
    edges = load("karate").edge_index
    # Where nothing stands out, the order of the nodes decides.
    ring = torch.stack([torch.arange(200), torch.arange(200).roll(-1)])
    runs = [find_communities(ring, 200, engine=engine, seed=seed) for seed in range(5)]
    assert any(not torch.equal(runs[0], run) for run in runs[1:])
    coarse, fine = (find_communities(edges, 34, engine=engine, resolution=r) for r in (0.2, 4.0))
    assert coarse.max() < 2
    assert fine.max() > 5


def test_loops_and_weights_count_as_in_networkx(engine):
    edges = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1]])
    # Apart they reach 2w / (2w + 1) - 1/2, together 0; w = 0.75 tells one loop from two halves.
    for loop, together in ((0.3, True), (0.75, False)):
        found = find_communities(edges, 2, torch.tensor([1, 1, loop, loop]), engine=engine)
        assert (found[0] == found[1]) == together
    square = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    for weight, expected in (([9, 1, 9, 1], [0, 0, 1, 1]), ([1, 9, 1, 9], [0, 1, 1, 0])):
        found = find_communities(square, 4, torch.tensor(weight), engine=engine)
        assert found.tolist() == expected
    zero = find_communities(square, 4, torch.tensor([1, 0, 1, 0]), engine=engine)
    assert zero.tolist() == [0, 0, 1, 1]


def test_directions_and_repetitions_are_weights(engine):
    edges, weight, graph = random_graph(7, directed=True)
    listed = torch.tensor([(u, v) for u, v in graph.edges]).t()
    merged = torch.tensor([w for _, _, w in graph.edges(data="weight")], dtype=torch.float64)
    loop = listed[0] == listed[1]
    both = torch.cat([listed, listed[:, ~loop].flip(0)], 1)
    same = torch.cat([merged, merged[~loop]])
    expected = find_communities(both, 25, same, engine=engine)
    assert torch.equal(find_communities(edges, 25, weight, engine=engine), expected)
    assert torch.equal(find_communities(edges.flip(0), 25, weight, engine=engine), expected)


@pytest.mark.parametrize("seed", range(3))
def test_communities_of_leiden_are_connected(seed):
    data = sbm(400, 3, degree=3, homophily=0.6, num_features=2, seed=seed)
    found = find_communities(data.edge_index, 400, engine="leiden", seed=seed)
    graph = nx.Graph(data.edge_index.t().tolist())
    graph.add_nodes_from(range(400))
    assert all(nx.is_connected(graph.subgraph(nodes)) for nodes in members(found))


def test_refinement_beats_louvain():
    pytest.importorskip("sknetwork")
    data = sbm(3000, 40, degree=4, homophily=0.7, num_features=2)

    def reached(engine):
        found = find_communities(data.edge_index, 3000, engine=engine)
        return float(community_strength(found, data.edge_index, 3000).sum())

    assert reached("scikit-network") > reached("louvain") + 0.005


def test_cliques_and_graphs_without_edges(engine):
    assert find_communities(cliques(4, 5, 3), 13, engine=engine).tolist() == (
        [0] * 4 + [1] * 5 + [2] * 3 + [3]
    )
    assert find_communities(torch.empty(2, 0).long(), 3, engine=engine).tolist() == [0, 1, 2]
    assert find_communities(torch.empty(2, 0).long(), 0, engine=engine).tolist() == []


def test_what_is_not_installed(monkeypatch):
    edges = cliques(3, 3)
    monkeypatch.setattr(module, "_is_installed", lambda engine: False)
    for name in LEIDEN:
        with pytest.raises(
            ImportError, match=f"{name}' is not installed; run `pip install {name}`"
        ):
            find_communities(edges, 6, engine=name)
    for name in ("auto", "leiden"):
        with pytest.warns(UserWarning, match="Louvain method of networkx"):
            assert find_communities(edges, 6, engine=name).tolist() == [0, 0, 0, 1, 1, 1]
    assert find_communities(edges, 6, engine="louvain").tolist() == [0, 0, 0, 1, 1, 1]


def test_the_engine_of_choice(monkeypatch):
    for there, expected in (
        ({"networkit", "scikit-network", "igraph"}, "networkit"),
        ({"scikit-network", "igraph", "leidenalg"}, "scikit-network"),
    ):
        monkeypatch.setattr(module, "_is_installed", there.__contains__)
        assert module._installed("auto") == module._installed("leiden") == expected


def test_bad_input():
    edges = cliques(3)
    for bad, message in (
        ({"engine": "label"}, "engine must be one of 'auto', 'leiden'"),
        ({"resolution": 0.0}, "resolution must be a number above 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"edge_weight": torch.ones(2)}, "edge_weight must hold 6 finite numbers >= 0"),
        ({"edge_weight": -torch.ones(6)}, "edge_weight must hold 6 finite numbers >= 0"),
    ):
        with pytest.raises(ValueError, match=message):
            find_communities(edges, 3, **bad)
    with pytest.raises(ValueError, match=r"edge_index must lie in \[0, 2\)"):
        find_communities(edges, 2)
    with pytest.raises(TypeError, match="edge_index must be a tensor of int64"):
        find_communities(edges.float(), 3)
    with pytest.raises(TypeError, match="community must be a tensor of int64"):
        community_strength(torch.zeros(3), edges, 3)
    for bad in (torch.tensor([0, 0]), torch.tensor([0, 0, -1])):
        with pytest.raises(ValueError, match="community must hold 3 numbers >= 0, one a node"):
            community_strength(bad, edges, 3)
    with pytest.raises(ValueError, match=r"edge_index must lie in \[0, 2\)"):
        edge_strength(torch.tensor([0, 0]), torch.ones(1), edges)
