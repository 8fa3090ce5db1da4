"""The k-NN vote against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch_geometric.data import Data

from gcl.evaluate import knn, random_splits
from gcl.evaluate.inputs import cosine_blocks


@pytest.fixture
def nodes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    return rng.normal(size=(3, 6))[y] + rng.normal(size=(200, 6)), y


@pytest.mark.parametrize("form", [np.asarray, torch.tensor, sp.csr_matrix])
def test_equals_scikit_learn(nodes, form):
    z, y = nodes
    splits, ks = random_splits(200, 0.2, 0.2, num_splits=3), [1, 4, 9]
    ours = knn(form(z), y, k=ks, splits=splits)
    for s in range(3):
        train, val, test = (m[s].numpy() for m in (splits.train, splits.val, splits.test))
        models = [
            KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(z[train], y[train])
            for k in ks
        ]
        scores = [m.score(z[val], y[val]) for m in models]
        best = int(np.argmax(scores))
        assert ours.per_run["k"][s] == ks[best]
        assert ours.per_run["val_accuracy"][s] == pytest.approx(scores[best])
        assert ours.per_run["accuracy"][s] == pytest.approx(models[best].score(z[test], y[test]))


def test_public_and_one_k(nodes):
    z, y = nodes
    index = torch.arange(200)
    data = Data(num_nodes=200, train_mask=index < 50, val_mask=index == 50, test_mask=index > 50)
    assert knn(z, y, k=3, protocol="public", data=data).protocol == (
        "public: 1 split, cosine k-NN, k 3"
    )


def test_blocks_cover_every_query():
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    queries, reference = torch.tensor([6, 1, 2, 0, 5]), torch.tensor([3, 4])
    parts = list(cosine_blocks(x, queries, reference, budget=4))
    assert len(parts) == 3
    torch.testing.assert_close(torch.cat([b for _, b in parts]), x[queries] @ x[reference].T)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must"),
        ({"k": 21}, "k must"),
        ({"k": []}, "k is empty"),
        ({"protocol": "e1"}, "protocol"),
        ({"protocol": "public"}, "protocol"),
        ({"splits": random_splits(30)}, "same graph"),
        ({"splits": random_splits(200, 0.2, 0.0)}, "validation"),
    ],
)
def test_mistakes(nodes, options, message):
    with pytest.raises(ValueError, match=message):
        knn(*nodes, **options)


def test_nodes_without_a_label_are_in_no_part():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 3
    z = torch.eye(3)[y] + torch.randn(120, 3, generator=generator)
    known = torch.arange(120) % 4 > 0
    found = knn(z, torch.where(known, y, -1), k=3)
    assert found == knn(z[known], y[known], k=3)
    assert found.protocol.endswith("k 3, 90 of 120 nodes labelled")
