import pickle

import networkx as nx
import pytest
import torch

from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import FilteredNegatives
from gcl.losses.negatives import filtered_negatives as module


def graph(n=11, e=14, seed=0):
    return torch.randint(n, (2, e), generator=torch.Generator().manual_seed(seed))


def beyond(edge_index, n, hops):
    g = nx.Graph()
    g.add_nodes_from(range(n))
    g.add_edges_from(edge_index.t().tolist())
    distance = dict(nx.all_pairs_shortest_path_length(g, cutoff=hops))
    return [[j for j in range(n) if j not in distance[i]] for i in range(n)]


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_double_loop(agrees, hops):
    edges = graph()
    far = beyond(edges, 11, hops)
    agrees(FilteredNegatives(edges, 11, hops), lambda q, k, i: far[i], 11)


def test_pairs_found_in_groups_of_rows(monkeypatch):
    edges, n = graph(60, 50, 3), 60
    far = beyond(edges, n, 3)
    expected = {(i, j) for i in range(n) for j in range(n) if j != i and j not in far[i]}
    groups = []
    vstack = module.sp.vstack
    monkeypatch.setattr(module.sp, "vstack", lambda p, **o: groups.append(len(p)) or vstack(p, **o))
    # The budget is also what a group may hold.
    near = module.within_hops(edges, n, 3, len(expected))
    assert max(groups) > 1
    assert near.shape[1] == len(expected)
    assert set(map(tuple, near.t().tolist())) == expected


def test_whole_components_end_the_search(views):
    path = torch.tensor([[0, 1, 2], [1, 2, 3]])
    negatives = FilteredNegatives(path, 5, hops=1000)
    lse = negatives(*views(5), 0.5)
    assert lse.isfinite().all()  # node 4 is beyond all, and they beyond it
    assert FilteredNegatives(path, 4, hops=1000)(*views(4), 0.5).isneginf().all()


def test_no_edges_is_plain_infonce(views):
    z1, z2 = views(8)
    none = FilteredNegatives(torch.zeros(2, 0, dtype=torch.long), 8)
    assert torch.isclose(InfoNCE(0.3, negatives=none)(z1, z2), InfoNCE(0.3)(z1, z2), rtol=1e-12)


def test_budget():
    star = torch.stack([torch.zeros(50, dtype=torch.long), torch.arange(1, 51)])
    assert len(FilteredNegatives(star, 51, budget=100).rule.tensors[0]) == 100
    for hops, budget in ((1, 99), (2, 2549)):
        with pytest.raises(ValueError, match=f"more than budget={budget} pairs lie within"):
            FilteredNegatives(star, 51, hops, budget=budget)
    assert len(FilteredNegatives(star, 51, 2, budget=2550).rule.tensors[0]) == 2550


def test_pickling_and_repr(views):
    negatives = FilteredNegatives(graph(), 11, 2)
    clone = pickle.loads(pickle.dumps(negatives))
    assert repr(clone) == repr(negatives)
    assert repr(clone).startswith("FilteredNegatives(11 nodes, hops=2, ")
    q, k = views(11)
    assert torch.equal(clone(q, k, 0.5), negatives(q, k, 0.5))


def test_bad_input(views):
    with pytest.raises(ValueError, match=r"edge_index must lie in \[0, 5\)"):
        FilteredNegatives(torch.tensor([[0], [5]]), 5)
    with pytest.raises(TypeError, match="edge_index must be a tensor of int64"):
        FilteredNegatives(torch.zeros(2, 1), 5)
    with pytest.raises(ValueError, match="hops must be at least 1"):
        FilteredNegatives(torch.zeros(2, 1, dtype=torch.long), 5, 0)
    with pytest.raises(ValueError, match="each of the 11 nodes, got 4"):
        FilteredNegatives(graph(), 11)(*views(4), 0.5)
