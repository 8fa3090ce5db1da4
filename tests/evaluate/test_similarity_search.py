"""Similarity search against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gcl.evaluate import similarity_search


@pytest.mark.parametrize("form", [torch.tensor, np.asarray, sp.csr_matrix])
def test_equals_a_full_sort(form):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    found = similarity_search(form(z), y, ks=[1, 5, 10])
    rows = z / np.linalg.norm(z, axis=1, keepdims=True)
    for k in (1, 5, 10):
        shares = []
        for i in range(60):
            others = sorted((j for j in range(60) if j != i), key=lambda j: -(rows[i] @ rows[j]))
            shares.append(np.mean([y[j] == y[i] for j in others[:k]]))
        assert found[f"sim@{k}"] == pytest.approx(np.mean(shares))


def test_default_keys_and_mistakes():
    z, y = torch.eye(12), torch.arange(12) % 2
    assert list(similarity_search(z, y)) == ["sim@5", "sim@10"]
    for ks, words in (([], "ks is empty"), ([0], "between 1 and 11"), ([12], "between 1 and 11")):
        with pytest.raises(ValueError, match=words):
            similarity_search(z, y, ks=ks)


def test_nodes_without_a_label_are_left_out():
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(60, 4, generator=generator), torch.arange(60) % 3
    known = torch.arange(60) % 4 > 0
    found = similarity_search(z, torch.where(known, y, -1), ks=[1, 44])
    assert found == similarity_search(z[known], y[known], ks=[1, 44])
    assert found.protocol.endswith("all nodes, 45 of 60 nodes labelled")
    with pytest.raises(ValueError, match="between 1 and 44"):
        similarity_search(z, torch.where(known, y, -1), ks=[45])
