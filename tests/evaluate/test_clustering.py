"""k-means scores against brute force and scikit-learn's metrics."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score
from sklearn.preprocessing import normalize

from gcl.evaluate import cluster, match_clusters
from gcl.evaluate.clustering import cluster_scores


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_matching_is_the_best_permutation(pairs):
    y, found = np.array(pairs).T
    best = max((np.array(p)[found] == y).mean() for p in permutations(range(4)))
    assert (match_clusters(y, found) == y).mean() == best


@pytest.mark.parametrize("k", [2, 5])
def test_surplus_and_missing_clusters(k):
    y, found = np.repeat([0, 1, 2], 10), np.arange(30) % k
    best = max((np.array(p)[found] == y).mean() for p in permutations(range(max(k, 3)), k))
    assert (match_clusters(y, found) == y).mean() == best


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    z = rng.normal(size=(3, 5))[y] + 0.8 * rng.normal(size=(90, 5))
    ours = cluster(z, y + 4, runs=3, seed=2)
    theirs = {"nmi": [], "ari": [], "macro_f1": []}
    for seed in (2, 3, 4):
        found = KMeans(3, n_init=10, random_state=seed).fit_predict(normalize(z))
        best = max(
            (np.array(p)[found] for p in permutations(range(3))), key=lambda m: (m == y).mean()
        )
        theirs["nmi"].append(normalized_mutual_info_score(y, found))
        theirs["ari"].append(adjusted_rand_score(y, found))
        theirs["macro_f1"].append(f1_score(y, best, average="macro"))
    for name, runs in theirs.items():
        assert ours[name] == pytest.approx(np.mean(runs))
        assert ours[f"{name}_std"] == pytest.approx(np.std(runs))
    assert ours.protocol == "k-means: k 3, l2 rows, best of 10 starts, 3 runs"


def test_sparse_equals_dense_and_raw_rows_differ():
    rng = np.random.default_rng(1)
    z = np.abs(rng.normal(size=(60, 4))) * rng.uniform(0.1, 9, (60, 1))
    y = rng.integers(0, 3, 60)
    assert cluster(sp.csr_matrix(z), y, runs=1)["ari"] == pytest.approx(
        cluster(z, y, runs=1)["ari"]
    )
    assert cluster(z, y, runs=1, l2=False)["ari"] != cluster(z, y, runs=1)["ari"]


def test_global_generators_are_untouched():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 2
    assert cluster(z, y, runs=2) == cluster(z, y, runs=2)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [({"clusters": 0}, "clusters must"), ({"clusters": 5}, "clusters must"), ({"runs": 0}, "runs")],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        cluster(torch.eye(4), torch.tensor([0, 0, 1, 1]), **options)


def epochs_of(count=4, n=60):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, n)
    noise = [0.1, 0.5, 0.3, 0.7][:count]
    return y, [np.where(rng.random(n) < p, rng.integers(0, 4, n), y) for p in noise]


def test_scores_of_given_clusters_equal_scikit_learn():
    y, (found, *_) = epochs_of()
    matched = max(
        (np.array(p)[found] for p in permutations(range(4))), key=lambda m: (m == y).mean()
    )
    ours = cluster_scores(found, y + 7)
    assert ours["accuracy"] == pytest.approx((matched == y).mean())
    assert ours["nmi"] == pytest.approx(normalized_mutual_info_score(y, found))
    assert ours["ari"] == pytest.approx(adjusted_rand_score(y, found))
    assert ours["macro_f1"] == pytest.approx(f1_score(y, matched, labels=range(3), average="macro"))
    assert ours.protocol == "clusters of the method"


@pytest.mark.parametrize("kind", ["list of arrays", "list of tensors", "tensor", "array"])
def test_the_last_epoch_counts_unless_the_maximum_is_asked_for_by_name(kind):
    y, epochs = epochs_of()
    given = {
        "list of arrays": epochs,
        "list of tensors": [torch.tensor(e) for e in epochs],
        "tensor": torch.tensor(np.array(epochs)),
        "array": np.array(epochs),
    }[kind]
    alone = [cluster_scores(e, y) for e in epochs]
    last, best = cluster_scores(given, y), cluster_scores(given, y, protocol="paper-max")
    assert dict(last) == dict(alone[-1])
    assert dict(best) == {name: max(a[name] for a in alone) for name in alone[0]}
    assert best["accuracy"] > last["accuracy"]
    assert last.protocol == "clusters of the method, last epoch"
    assert best.protocol.endswith(
        "paper-max: best of 4 epochs by the labels, each metric on its own"
    )


def test_each_maximum_is_its_own():
    y = np.repeat([0, 1], 10)
    # The first epoch is right more often, the second has the higher information (a pure split).
    first = np.r_[np.zeros(10), np.ones(7), np.zeros(3)].astype(int)
    second = np.r_[np.arange(10) % 2, np.full(10, 2)]
    one, two = cluster_scores(first, y), cluster_scores(second, y)
    assert one["accuracy"] > two["accuracy"]
    assert one["nmi"] < two["nmi"]
    best = cluster_scores([first, second], y, protocol="paper-max")
    assert best["accuracy"] == one["accuracy"]
    assert best["nmi"] == two["nmi"]


def test_k_means_over_epochs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    epochs = [rng.normal(size=(3, 4))[y] + noise * rng.normal(size=(60, 4)) for noise in (0.2, 0.9)]
    alone = [cluster(z, y, runs=2) for z in epochs]
    last, best = cluster(epochs, y, runs=2), cluster(epochs, y, runs=2, protocol="paper-max")
    assert dict(last) == dict(alone[-1])
    assert last.protocol == alone[-1].protocol + ", last epoch"
    for name in ("accuracy", "nmi", "ari", "macro_f1"):
        runs = zip(*(a.per_run[name] for a in alone), strict=True)
        assert best.per_run[name] == [max(pair) for pair in runs]
    assert "by the labels" in best.protocol


def test_epochs_and_clusters_that_do_not_fit():
    y = torch.tensor([0, 0, 1, 1])
    for scores, one in ((cluster, torch.eye(4)), (cluster_scores, y)):
        with pytest.raises(ValueError, match="maximum over epochs"):
            scores(one, y, protocol="paper-max")
        with pytest.raises(ValueError, match="protocol must be 'last' or 'paper-max'"):
            scores(one, y, protocol="best")
    with pytest.raises(ValueError, match="at least one epoch"):
        cluster([], y)
    with pytest.raises(ValueError, match="one row a node"):
        cluster([torch.eye(4), torch.eye(3)], y, protocol="paper-max")
    with pytest.raises(ValueError, match="got shape"):
        cluster_scores([], y)
    with pytest.raises(ValueError, match="whole numbers of at least 0"):
        cluster_scores(torch.tensor([0, 1, -1, 0]), y)
    with pytest.raises(ValueError, match="whole numbers of at least 0"):
        cluster_scores([0.5, 1, 1, 0], y)
    with pytest.raises(ValueError, match="expected 3 labels"):
        cluster_scores([0, 1, 1], y)


def test_large_cluster_numbers_cost_nothing():
    scores = cluster_scores([0, 0, 10**9, 10**9], [0, 0, 1, 1])
    assert scores["accuracy"] == 1.0


def test_nodes_without_a_label_are_clustered_and_not_scored():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    z = rng.normal(size=(3, 4))[y] + 0.7 * rng.normal(size=(90, 4))
    known = np.arange(90) % 3 > 0
    hidden = np.where(known, y, -1)
    found = cluster(z, hidden, runs=1, l2=False)
    clusters = KMeans(3, n_init=10, random_state=0).fit_predict(z.astype(np.float64))
    assert found == pytest.approx(
        {
            **cluster_scores(clusters[known], y[known]),
            **{f"{k}_std": 0.0 for k in ("accuracy", "nmi", "ari", "macro_f1")},
        }
    )
    assert found["nmi"] != cluster(z, y, runs=1, l2=False)["nmi"]
    assert cluster_scores(clusters, hidden) == cluster_scores(clusters[known], y[known])
    assert found.protocol.endswith(", 60 of 90 nodes labelled")


def test_rows_of_words_are_read_as_sparse_ones(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    words = (rng.random((120, 90)) < 0.04) | (
        rng.random((120, 90)) < 0.3 * np.eye(3)[y].repeat(30, 1)
    )
    z = words * (rng.random((120, 90)) < 0.5).astype(np.float32)
    given = []
    fit = KMeans.fit_predict
    monkeypatch.setattr(KMeans, "fit_predict", lambda self, x: given.append(x) or fit(self, x))
    found = cluster(z, y)
    assert len(given) == 3
    assert all(sp.issparse(x) for x in given)
    assert found == cluster(sp.csr_array(z), y)
    given.clear()
    assert cluster(z + 0.01, y)["nmi"] == pytest.approx(found["nmi"], abs=0.3)
    assert not any(sp.issparse(x) for x in given)
