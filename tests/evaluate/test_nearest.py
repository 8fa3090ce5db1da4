"""Neighbours by id, against scikit-learn's."""

import sys

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.neighbors import NearestNeighbors

import gcl
from gcl.evaluate import nearest as module_name
from gcl.evaluate.nearest import Neighbors, nearest

Z = torch.randn(300, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MODULE = sys.modules["gcl.evaluate.nearest"]  # the function has its name
IDS = np.array([f"gene-{i}" for i in range(300)])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK", 7 * 300)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("index", ["exact", "usearch"])
def test_as_scikit_learn(metric, index):
    if index == "usearch":
        pytest.importorskip("usearch")
    oracle = NearestNeighbors(n_neighbors=5, metric=metric).fit(Z.numpy())
    distances, indices = oracle.kneighbors()
    found = nearest(Z, k=5, metric=metric, index=index)
    values = 1 - found.similarities if metric == "cosine" else -found.similarities
    agree = (found.indices.numpy() == indices).mean()
    assert agree == 1 if index == "exact" else agree > 0.97
    if index == "exact":
        np.testing.assert_allclose(values, distances, atol=1e-9)
    assert (found.ids == found.indices.numpy()).all()
    vectors = Z[:3] + 0.01
    distances, indices = oracle.kneighbors(vectors.numpy())
    found = nearest(Z, IDS, 5, vectors, metric=metric, index=index)
    if index == "exact":
        assert (found.ids == IDS[indices]).all()
    assert (found.indices[:, 0] == torch.arange(3)).all()


def test_by_inner_product():
    products = (Z @ Z.T).fill_diagonal_(-torch.inf)
    for index in ("exact", "usearch"):
        if index == "usearch":
            pytest.importorskip("usearch")
        found = nearest(Z, k=4, metric="dot", index=index)
        expected = products.topk(4)
        agree = (found.indices == expected.indices).double().mean()
        assert agree == 1 if index == "exact" else agree > 0.9
        assert found.similarities.diff(dim=1).max() <= 0


def test_queries_by_id():
    whole = gcl.nearest(Z, IDS, 3)
    assert whole.ids.shape == (300, 3)
    one = gcl.nearest(Z, IDS, 3, "gene-7")
    assert isinstance(one, Neighbors)
    assert one.ids.tolist() == whole.ids[7:8].tolist()
    two = gcl.nearest(Z, IDS, 3, ["gene-9", "gene-0"])
    assert two.ids.tolist() == whole.ids[[9, 0]].tolist()
    assert "gene-9" not in two.ids[0]
    numbers = gcl.nearest(Z, torch.arange(300) + 1000, 3, 1007)
    assert (numbers.ids - 1000).tolist() == whole.indices[7:8].tolist()
    assert gcl.nearest(Z, k=3, queries=7).indices.equal(whole.indices[7:8])
    assert gcl.nearest(Z.numpy(), list(IDS), 3).ids.tolist() == whole.ids.tolist()
    assert gcl.nearest(sp.csr_array(Z.numpy()), k=3).indices.equal(whole.indices)


def test_all_other_rows_can_be_asked_for():
    found = nearest(Z[:4], k=3)
    assert found.indices.sort().values.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert nearest(Z[:4], k=4, queries=Z[:1]).indices.shape == (1, 4)


def test_no_matrix_of_all_pairs_is_held(monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK", 1 << 18)
    z = torch.randn(6000, 8)
    extra = gcl.experiments.memory.peak_extra_mb(lambda: nearest(z, k=5))
    assert extra < 60  # all pairs are 144 MB


def test_usearch_is_named_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(MODULE, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gcl\[search\]'"):
        nearest(Z, index="usearch")
    monkeypatch.setattr(MODULE, "MANY", 0)
    assert nearest(Z, k=1).indices.shape == (300, 1)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({"ids": IDS[1:]}, ValueError, r"expected 300 ids.* got shape \[299\]"),
        ({"ids": ["a"] * 300}, ValueError, "some ids come twice"),
        ({"ids": "abc"}, TypeError, "ids must be a list"),
        ({"k": 300}, ValueError, "k must be at most 299, as there are 300 rows"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"k": 2.0}, TypeError, "k must be a whole number"),
        ({"ids": IDS, "queries": "gen-7"}, ValueError, "did you mean 'gene-"),
        (
            {"ids": IDS, "queries": 7},
            ValueError,
            "1 of 1 queries are no ids, such as 7; ids are te",
        ),
        ({"queries": 300}, ValueError, "ids are numbers such as 0"),
        ({"queries": [1, None]}, ValueError, "1 of 2 queries are no ids, such as None"),
        ({"queries": []}, ValueError, "queries is empty"),
        ({"queries": torch.ones(2, 3)}, ValueError, r"as wide as z, \[queries, 16\]"),
        ({"metric": "l2"}, ValueError, "metric must be one of 'cosine', 'dot', 'euclidean'"),
        ({"index": "faiss"}, ValueError, "index must be one of"),
    ],
)
def test_what_does_not_fit(args, error, message):
    with pytest.raises(error, match=message):
        nearest(Z, **args)


def test_the_same_by_either_name():
    assert gcl.nearest is nearest is module_name


def test_ids_of_several_kinds_and_one_vector_are_told():
    for ids in ([1, "a", *range(2, 300)], [None, *IDS[1:]]):
        with pytest.raises(TypeError, match="text or whole numbers"):
            nearest(Z, np.array(ids, dtype=object))
    with pytest.raises(TypeError, match=r"queries=vector\[None\]"):
        nearest(Z, queries=Z[0])


def test_frames_bring_their_ids():
    pd = pytest.importorskip("pandas")
    whole = nearest(Z, IDS, 3, "gene-7")
    frame = pd.DataFrame(Z.numpy(), index=IDS)
    assert nearest(frame, k=3, queries="gene-7").ids.tolist() == whole.ids.tolist()
    assert nearest(frame, np.arange(300), 3, 7).ids.tolist() == whole.indices.tolist()
    plain = nearest(pd.DataFrame(Z.numpy()), k=3, queries=7)
    assert plain.ids.tolist() == whole.indices.tolist()
    vectors = nearest(Z, IDS, 3, pd.DataFrame(Z[7:8].numpy()))
    assert vectors.ids[0, 1:].tolist() == whole.ids[0, :2].tolist()
    polars = pytest.importorskip("polars").DataFrame(Z.numpy())
    assert nearest(polars, k=3, queries=7).ids.tolist() == whole.indices.tolist()
    assert nearest(Z, IDS, 3, polars[:2]).ids.shape == (2, 3)


def test_pairs_are_called_by_their_text():
    graph = nx.grid_2d_graph(3, 3)
    ids = gcl.data.from_networkx(graph).ids
    expected = nearest(Z[:9], ids, 2, "(0, 1)").ids
    for given in (ids, list(graph)):
        assert nearest(Z[:9], given, 2, (0, 1)).ids.tolist() == expected.tolist()
        both = nearest(Z[:9], given, 2, [(0, 1), (2, 2)]).ids
        assert both[0].tolist() == expected[0].tolist()
    # A tuple that is no id is a list of ids.
    assert nearest(Z, k=2, queries=(0, 1)).ids.shape == (2, 2)


def test_rows_of_zeros_are_as_near_to_all():
    z = Z[:5].clone()
    z[3] = 0
    assert nearest(z, k=4, queries=3).similarities.tolist() == [[0] * 4]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"ids": gcl.datasets.karate()}, r"got a Data; give data\.ids|got Data.*; give data\.ids"),
        ({"ids": [float("nan"), *range(299)]}, "text or whole numbers, .* NaN or truths"),
        ({"ids": np.arange(300) > 5}, "text or whole numbers"),
        ({"queries": True}, r"not truths; give ids\[mask\]"),
        ({"queries": np.arange(300) > 5}, "not truths"),
        ({"queries": torch.arange(300) > 5}, "not truths"),
        ({"queries": torch.arange(300) > 5, "ids": None}, "not truths"),
        ({"queries": Z[0].tolist()}, r"vectors as an array \[queries, 16\].*give numpy\.array"),
        ({"queries": Z[:2].tolist()}, r"give numpy\.array"),
        ({"z": Z.tolist()}, r"got list; convert them first, a list by torch\.tensor"),
    ],
)
def test_what_is_of_another_kind(args, message):
    with pytest.raises(TypeError, match=message):
        nearest(**{"z": Z, **args})


def test_numbers_where_ids_are_text():
    with pytest.raises(ValueError, match="did you mean '7'"):
        nearest(Z[:9], [str(i) for i in range(9)], 2, 7)
    with pytest.raises(ValueError, match="one row alone has no neighbours"):
        nearest(Z[:1], k=1)


@pytest.mark.parametrize("scale", [1e20, 1e-18, 1e30])
def test_cosine_of_rows_of_any_length(scale):
    z = Z.float()
    expected = nearest(z, k=5)
    found = nearest(z * scale, k=5)
    assert found.indices.equal(expected.indices)
    assert found.similarities.allclose(expected.similarities, atol=1e-5)
    asked = nearest(z, k=5, queries=z[:3].numpy() * np.float32(scale))
    assert asked.similarities[:, 0].allclose(torch.ones(3), atol=1e-5)
