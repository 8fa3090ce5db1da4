"""Clusters without labels, and their number, against how the rows were drawn."""

import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

import gcl
from gcl.evaluate import cluster, clusters, kmeans_clusters, modularity


def drawn(groups, size=40, width=16):
    generator = torch.Generator().manual_seed(groups)
    centers = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q[:groups]
    hidden = torch.arange(groups).repeat_interleave(size)
    noise = torch.randn(len(hidden), width, generator=generator)
    return centers[hidden] + 0.08 * noise, hidden


@pytest.mark.parametrize("groups", [2, 5, 9])
def test_as_many_as_were_drawn(groups):
    z, hidden = drawn(groups)
    found = clusters(z)
    assert adjusted_rand_score(hidden, found) == 1
    assert found.unique().tolist() == list(range(groups))


def test_a_graph_chooses_by_its_links():
    data = gcl.datasets.sbm(400, 4, degree=12, seed=1)
    rng = torch.Generator().manual_seed(0)
    # Eight groups of rows, two of which are one community each.
    half = torch.arange(400) % 2
    z = torch.eye(8)[data.y * 2 + half] + 0.7 * torch.eye(4).repeat_interleave(2, 1)[data.y]
    z = z + 0.02 * torch.randn(400, 8, generator=rng)
    assert adjusted_rand_score(data.y, clusters(z, data=data)) == 1
    scores = {k: modularity(kmeans_clusters(z, k), data) for k in (2, 3, 4, 5, 6)}
    assert max(scores, key=scores.get) == 4
    assert adjusted_rand_score(data.y * 2 + half, clusters(z)) == 1  # which rows tell otherwise


def test_a_given_number():
    z, hidden = drawn(4)
    assert clusters(z, 4).equal(kmeans_clusters(z, 4))
    assert cluster(z, 4).equal(clusters(z, 4))
    assert cluster(z, np.int64(4), seed=3).equal(clusters(z, 4, seed=3))
    assert len(clusters(z, 7).unique()) == 7
    assert len(clusters(z, ks=[2, 3]).unique()) in (2, 3)
    assert adjusted_rand_score(hidden, clusters(z, 4)) == 1


def test_the_silhouette_is_sampled(monkeypatch):
    monkeypatch.setattr(sys.modules["gcl.evaluate.clusters"], "SAMPLE", 60)
    z, hidden = drawn(3, size=200)
    assert adjusted_rand_score(hidden, clusters(z)) == 1


def test_rows_that_are_all_alike():
    assert clusters(torch.ones(30, 4)).tolist() == [0] * 30


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    clusters(drawn(3)[0])
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"k": 81}, "k must be at most the 80 rows"),
        ({"ks": [1, 2]}, "ks must be at least 2"),
        ({"ks": [2, 80]}, "ks must lie below the 80 rows, got 80"),
        ({"ks": []}, "ks is empty"),
        ({"data": gcl.datasets.karate()}, "the graph has 34 nodes, and z 80 rows"),
    ],
)
def test_what_does_not_fit(args, message):
    with pytest.raises(ValueError, match=message):
        clusters(drawn(2)[0], **args)
    with pytest.raises(ValueError, match="needs at least 3 rows"):
        clusters(torch.eye(2))
    with pytest.raises(TypeError, match=r"where there are none, gcl\.evaluate\.clusters"):
        cluster(drawn(2)[0], None)


def test_numbers_to_choose_from_in_every_form():
    z, _ = drawn(4)
    expected = clusters(z, ks=[3, 4])
    for ks in ((3, 4), range(3, 5), {3, 4}, np.array([3, 4]), torch.tensor([3, 4]), iter([3, 4])):
        assert clusters(z, ks=ks).equal(expected)
    pd = pytest.importorskip("pandas")
    assert clusters(pd.DataFrame(z.numpy()), ks=[3, 4]).equal(expected)
    assert cluster(pd.DataFrame(z.numpy()), 4).equal(clusters(z, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda z: clusters(z, ks=3),
            r"ks must be a list of whole numbers .*, got 3",
        ),
        (lambda z: clusters(z, ks="23"), "ks must be a list of whole numbers"),
        (lambda z: clusters(z, ks=[2.0]), "ks must be a whole number"),
        (lambda z: clusters(z, gcl.datasets.karate()), "give the graph by name: data="),
        (lambda z: clusters(z, data=7), "clusters: expected a torch_geometric Data"),
        (lambda z: cluster(z, 3.0), "or how many clusters as a whole number, got 3.0"),
        (lambda z: cluster(z, True), "as a whole number, got True"),
        (lambda z: cluster(z, torch.tensor(3)), r"as a whole number, got tensor\(3\)"),
    ],
)
def test_what_is_of_another_kind(call, message):
    with pytest.raises(TypeError, match=message):
        call(drawn(2)[0])


def test_a_number_and_numbers_to_choose_from_are_too_much():
    with pytest.raises(ValueError, match="k=3 says how many, and ks says what to choose from"):
        clusters(drawn(2)[0], 3, ks=[2, 3])
