from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.datasets import sbm
from gcl.datasets.sbm import draw_between, draw_within


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("classes", "homophily"), [(3, 0.7), (4, 0.1), (1, 1.0), (2, 0.0)])
def test_links_of_every_block_within_four_sigma(seed, classes, homophily):
    num_nodes, degree = 601, 12.0
    data = sbm(num_nodes, classes, degree=degree, homophily=homophily, seed=seed)
    y = data.y.numpy()
    source, target = data.edge_index.numpy()
    pairs = dict.fromkeys(itertools.combinations_with_replacement(range(classes), 2), 0)
    for a, b in itertools.combinations(y.tolist(), 2):
        pairs[min(a, b), max(a, b)] += 1
    same = sum(count for (a, b), count in pairs.items() if a == b)
    across = sum(pairs.values()) - same
    links = num_nodes * degree / 2
    for (a, b), count in pairs.items():
        p = homophily * links / same if a == b else (1 - homophily) * links / across
        once = source < target
        found = (np.minimum(y[source], y[target]) == a) & (np.maximum(y[source], y[target]) == b)
        sigma = (count * p * (1 - p)) ** 0.5
        assert abs(int((found & once).sum()) - count * p) <= 4 * sigma


def test_homophily_and_degree_are_what_was_asked_for():
    data = sbm(20_000, 5, degree=10, homophily=0.6, num_features=2)
    source, target = data.edge_index
    links = data.num_edges / 2
    share = float((data.y[source] == data.y[target]).float().mean())
    assert abs(share - 0.6) < 4 * (0.6 * 0.4 / links) ** 0.5
    assert abs(links - 100_000) < 4 * 100_000**0.5


@settings(max_examples=40, deadline=None)
@given(
    num_nodes=st.integers(1, 60),
    classes=st.integers(1, 6),
    fill=st.floats(0, 1),
    homophily=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_edges_are_sorted_distinct_symmetric_and_without_loops(
    num_nodes, classes, fill, homophily, seed
):
    classes = min(classes, num_nodes)
    sizes = [num_nodes // classes + (c < num_nodes % classes) for c in range(classes)]
    same = sum(size * (size - 1) / 2 for size in sizes)
    across = num_nodes * (num_nodes - 1) / 2 - same
    if classes == 1 or same == 0:
        homophily = float(classes == 1)
    limits = [same / homophily if homophily else np.inf]
    limits += [across / (1 - homophily) if homophily < 1 else np.inf]
    degree = fill * min(limits) * 2 / num_nodes
    data = sbm(num_nodes, classes, degree=degree, homophily=homophily, num_features=3, seed=seed)
    pairs = list(map(tuple, data.edge_index.t().tolist()))
    assert pairs == sorted(set(pairs))
    assert all(a != b and (b, a) in set(pairs) for a, b in pairs)
    assert all(0 <= a < num_nodes for a, _ in pairs)
    assert sorted(np.bincount(data.y, minlength=classes)) == sorted(sizes)
    assert data.edge_index.dtype == data.y.dtype == torch.int64


@pytest.mark.parametrize("num_nodes", [2, 7, 8])
def test_full_degree_is_the_complete_graph(num_nodes):
    data = sbm(num_nodes, 1, degree=num_nodes - 1, homophily=1.0)
    expected = list(itertools.permutations(range(num_nodes), 2))
    assert list(map(tuple, data.edge_index.t().tolist())) == expected


@pytest.mark.parametrize("p", [0.2, 0.85])
@pytest.mark.parametrize("num", [5, 6])
def test_every_pair_is_drawn_equally_often(num, p):
    rng, nodes, draws = np.random.default_rng(0), np.arange(num) + 3, 3000
    within, between = np.zeros((num + 3, num + 3)), np.zeros((2, num))
    for _ in range(draws):
        a, b = draw_within(rng, nodes, p)
        np.add.at(within, (np.minimum(a, b), np.maximum(a, b)), 1)
        a, b = draw_between(rng, np.arange(2), np.arange(num), p)
        np.add.at(between, (a, b), 1)
    sigma = (draws * p * (1 - p)) ** 0.5
    counts = within[3:, 3:][np.triu_indices(num, 1)]
    assert counts.sum() == within.sum()
    assert abs(counts - draws * p).max() < 4.5 * sigma
    assert abs(between - draws * p).max() < 4.5 * sigma


def test_features_are_class_means_plus_noise_of_the_stated_length():
    clean = sbm(300, 3, num_features=16, noise=0.0, seed=5)
    means = torch.stack([clean.x[clean.y == c][0] for c in range(3)])
    assert torch.equal(clean.x, means[clean.y])
    torch.testing.assert_close(means.norm(dim=1), torch.ones(3))
    noisy = sbm(20_000, 3, num_features=16, noise=2.0, seed=5)
    centres = torch.stack([noisy.x[noisy.y == c].mean(0) for c in range(3)])
    # the squared length is noise^2 times a mean of squares: 4 +- 4 * sqrt(2 / (20000 * 16))
    squared = float((noisy.x - centres[noisy.y]).square().sum(1).mean())
    assert abs(squared - 4.0) < 0.05
    assert noisy.x.dtype == torch.float32


def test_seed_decides_everything_and_global_state_is_kept(global_state_kept):
    one, again, other = sbm(seed=3), sbm(seed=3), sbm(seed=4)
    for key in ("x", "y", "edge_index"):
        assert torch.equal(one[key], again[key])
    assert not torch.equal(one.x, other.x)
    assert not torch.equal(one.y, other.y)
    assert one.edge_index.shape != other.edge_index.shape


def test_large_graph_needs_no_square_of_its_size():
    data = sbm(300_000, 3, degree=2.0, num_features=1)
    assert abs(data.num_edges / 2 - 300_000) < 4 * 300_000**0.5
    assert data.is_coalesced()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_nodes": 3}, ValueError, "num_nodes must be at least 4, got 3"),
        ({"num_nodes": 10.0}, TypeError, "num_nodes must be a whole number"),
        ({"num_classes": 0}, ValueError, "num_classes must be at least 1"),
        ({"num_features": 0}, ValueError, "num_features must be at least 1"),
        ({"degree": -1.0}, ValueError, "degree must be at least 0"),
        ({"noise": float("nan")}, ValueError, "noise must be finite"),
        ({"homophily": 1.3}, ValueError, r"homophily must lie in \[0, 1\], got 1.3"),
        ({"num_nodes": 20, "degree": 19.0}, ValueError, "degree within a class asks for 152 links"),
        ({"num_classes": 1, "homophily": 0.5}, ValueError, "degree across classes asks for"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=f"sbm: .*{message}"):
        sbm(**arguments)
