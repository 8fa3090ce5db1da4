from __future__ import annotations

from collections import Counter
from math import sqrt

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data
from torch_geometric.utils import is_undirected

from gcl.augment import EdgeAdding
from tests.odd_graphs import batch, edge_set, graphs, hetero, random_graph, tagged


@settings(max_examples=80, deadline=None, database=None)
@given(graphs(), st.sampled_from([0.3, 1.0]), st.booleans())
def test_new_edges_are_new(data: Data, p: float, undirected: bool) -> None:
    view = EdgeAdding(p, undirected=undirected)(data)
    e, n = data.num_edges, data.num_nodes
    assert torch.equal(view.edge_index[:, :e], data.edge_index)
    assert torch.equal(view.edge_attr[:e], data.edge_attr)
    new = edge_set(view.edge_index[:, e:])
    old = Counter(edge_set(data.edge_index))
    assert all(u != v and (u, v) not in old and max(u, v) < n for u, v in new)
    assert len(set(new)) == len(new)
    free = n * (n - 1) - len({(u, v) for u, v in old if u != v})
    is_sym = all(old[u, v] == old[v, u] for u, v in old)
    if undirected and is_sym:
        assert set(new) == {(v, u) for u, v in new}
        low, high = 2 * int(p * e / 2), 2 * int(p * e / 2 + 1)
    else:
        low, high = int(p * e), int(p * e + 1)
    assert min(low, free) <= len(new) <= min(high, free)
    # Attributes come from one existing edge, all of them from the same.
    rows = {tuple(row) for row in data.edge_attr.tolist()}
    assert {tuple(row) for row in view.edge_attr[e:].tolist()} <= rows
    if "edge_weight" in view:
        assert torch.equal(view.edge_weight, view.edge_attr[:, 0])


def test_both_directions_copy_both_directions() -> None:
    data = random_graph(12, 20, 0)
    view = EdgeAdding(0.5)(data)
    assert is_undirected(view.edge_index, num_nodes=12)
    edges = zip(*view.edge_index.tolist(), strict=True)
    tag = dict(zip(edges, view.edge_weight.tolist(), strict=True))
    for (u, v), code in tag.items():
        start, end = divmod(int(code), 1000)
        assert tag[v, u] == end * 1000 + start


@pytest.mark.parametrize("n", range(2, 9))
@pytest.mark.parametrize("undirected", [True, False])
def test_a_graph_is_completed(n: int, undirected: bool) -> None:
    for seed in range(4):
        torch.manual_seed(seed)
        graph = nx.complete_graph(n, create_using=nx.Graph if undirected else nx.DiGraph)
        edges = torch.tensor(list(graph.edges))
        edges = edges[torch.randperm(len(edges))][: (len(edges) + 1) // 2 + 1].t()
        if undirected:
            edges = torch.cat([edges, edges.flip(0)], 1)
        view = EdgeAdding(1.0, undirected=undirected)(tagged(edges, n))
        assert edge_set(view.edge_index) == sorted(nx.DiGraph(graph).edges)
        assert EdgeAdding(1.0)(view).num_edges == view.num_edges


def test_free_pairs_are_equally_likely() -> None:
    # A path of six nodes and one new undirected edge: ten free pairs.
    path = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])
    data = Data(edge_index=torch.cat([path, path.flip(0)], 1), num_nodes=6)
    torch.manual_seed(0)
    draws = 2000
    hits = Counter(
        tuple(sorted(EdgeAdding(0.2)(data).edge_index[:, -1].tolist())) for _ in range(draws)
    )
    assert len(hits) == 10
    spread = 4.5 * sqrt(draws * 0.1 * 0.9)
    assert all(abs(count - draws / 10) < spread for count in hits.values())


def test_share_of_new_edges_is_met_on_average() -> None:
    data = tagged(torch.tensor([[0, 1], [1, 0]]), 50)
    torch.manual_seed(0)
    added = sum(EdgeAdding(0.3)(data).num_edges - 2 for _ in range(600)) / 2
    assert abs(added - 180) < 4 * sqrt(600 * 0.3 * 0.7)


def test_large_sparse_graph() -> None:
    data = random_graph(5000, 20_000, 0)
    view = EdgeAdding(0.5)(data)
    assert abs(view.num_edges - 1.5 * data.num_edges) <= 2
    assert len(set(edge_set(view.edge_index))) == view.num_edges


def test_batch_stays_apart() -> None:
    data = batch()
    for seed in range(5):
        torch.manual_seed(seed)
        view = EdgeAdding(1.0)(data)
        assert torch.equal(view.batch[view.edge_index[0]], view.batch[view.edge_index[1]])
        parts, originals = view.to_data_list(), data.to_data_list()
        for part, original in zip(parts, originals, strict=True):
            assert torch.equal(part.edge_index[:, : original.num_edges], original.edge_index)
            own = set(original.edge_weight.tolist())
            assert set(part.edge_weight.tolist()) <= own
        assert parts[1].num_edges == 0
        assert parts[0].num_edges > originals[0].num_edges


def test_graphs_may_be_interleaved() -> None:
    data = Data(edge_index=torch.tensor([[0, 2, 1, 3], [2, 4, 3, 5]]), num_nodes=6)
    data.batch = torch.tensor([0, 1, 0, 1, 0, 1])
    for seed in range(10):
        torch.manual_seed(seed)
        view = EdgeAdding(1.0)(data)
        assert view.num_edges == 8
        assert torch.equal(view.batch[view.edge_index[0]], view.batch[view.edge_index[1]])


def test_hetero() -> None:
    data = hetero()
    for seed in range(5):
        torch.manual_seed(seed)
        view = EdgeAdding(1.0)(data)
        forward, backward = view["author", "writes", "paper"], view["paper", "written_by", "author"]
        assert forward.num_edges == 12
        assert edge_set(forward.edge_index.flip(0)) == edge_set(backward.edge_index)
        assert len(set(edge_set(forward.edge_index))) == 12
        tag = dict(zip(edge_set(forward.edge_index), [0] * 12, strict=True))
        for store, flip in [(forward, False), (backward, True)]:
            for (u, v), code in zip(
                zip(*store.edge_index.tolist(), strict=True), store.edge_attr.tolist(), strict=True
            ):
                edge = (v, u) if flip else (u, v)
                tag[edge] = code - tag[edge] if flip else code
        assert set(tag.values()) == {0}
        assert view["author", "cites", "paper"].num_edges == 6
        assert is_undirected(view["paper", "like", "paper"].edge_index)


def test_hetero_bipartite_is_completed() -> None:
    data = hetero()
    full = torch.cartesian_prod(torch.arange(4), torch.arange(5)).t()
    data["author", "cites", "paper"].edge_index = full[:, torch.arange(20) % 3 != 0]
    view = EdgeAdding(1.0)(data)
    assert edge_set(view["author", "cites", "paper"].edge_index) == edge_set(full)
