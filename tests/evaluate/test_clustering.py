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
    ("options", "message"), [({"k": 0}, "k must"), ({"k": 5}, "k must"), ({"runs": 0}, "runs")]
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        cluster(torch.eye(4), torch.tensor([0, 0, 1, 1]), **options)
