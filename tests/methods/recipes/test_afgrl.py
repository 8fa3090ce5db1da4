"""AFGRL's positives as a double loop, and its parts."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

import gcl
from gcl.methods.recipes.afgrl import LocalGlobalPositives, afgrl
from gcl.ops.kmeans import spherical_kmeans


@pytest.mark.parametrize(
    ("topk", "clusters", "runs"), [(4, 6, 3), (1, 6, 3), (8, 3, 1), (50, 9, 2)]
)
def test_positives_are_the_double_loop(topk, clusters, runs):
    data = gcl.datasets.karate()
    generator = torch.Generator().manual_seed(0)
    z, target = (torch.randn(34, 5, generator=generator) for _ in range(2))
    found = LocalGlobalPositives(topk, clusters, runs, 7)(z, target, data)
    labels = [spherical_kmeans(target, clusters, iterations=7, seed=r)[0] for r in range(runs)]
    edges = set(zip(*data.edge_index.tolist(), strict=True))
    expected = set()
    for i in range(34):
        near = cosine_similarity(z[i : i + 1], target)
        near[i] = 10
        for j in near.topk(min(topk, 34)).indices.tolist():
            mates = any(label[i] == label[j] for label in labels)
            if i == j or (j, i) in edges or mates:
                expected.add((i, j))
    assert sorted(map(tuple, found.t().tolist())) == sorted(expected)


def test_edges_of_nodes_beyond_the_rows_make_no_pairs():
    data = gcl.datasets.karate()
    z = torch.eye(3)
    # Of 3 rows: the edge 5 -> 0 would read as 2 -> 1, were it not left out.
    data.edge_index = torch.tensor([[5, 0], [0, 2]])
    found = LocalGlobalPositives(3, 3, 1, 5)(z, z, data)  # clusters of one node each
    assert sorted(map(tuple, found.t().tolist())) == [(0, 0), (1, 1), (2, 0), (2, 2)]


def test_edges_of_weight_zero_make_no_pairs():
    data = gcl.datasets.karate()
    z = torch.eye(3)
    data.edge_index = torch.tensor([[1, 0], [0, 2]])
    data.edge_weight = torch.tensor([0.0, 2.0])
    found = LocalGlobalPositives(3, 3, 1, 5)(z, z, data)
    assert sorted(map(tuple, found.t().tolist())) == [(0, 0), (1, 1), (2, 0), (2, 2)]


def test_parts_are_the_papers():
    data = gcl.datasets.load("karate")
    method = afgrl(data, hidden=6, predictor=9, momentum=0.9)
    (after,) = method.encoder.afters
    assert [type(part).__name__ for part in after] == ["BatchNorm", "PReLU"]
    assert method.momentum_at(0, 10) == pytest.approx(0.9)
    assert method.momentum_at(10, 10) == 1.0
    assert [(lin.in_channels, lin.out_channels) for lin in method.predictor.lins] == [
        (6, 9), (9, 6)
    ]  # fmt: skip
    assert "LocalGlobalPositives(topk=4, clusters=100, runs=5, iterations=20)" in repr(method)
    # The target starts as a copy of the student, so that the first neighbours mean something.
    assert torch.equal(method.encoder.weights[0], method.target.module.weights[0])


def test_numbers_below_one_are_refused():
    for name in ("topk", "clusters", "runs", "iterations"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            LocalGlobalPositives(**{name: 0})
