from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from gcl.datasets import digits


@pytest.mark.parametrize("k", [1, 3, 10])
def test_links_are_the_nearest_neighbours_of_a_plain_loop(k):
    pixels = load_digits().data.astype(np.int64)
    expected = set()
    for i, image in enumerate(pixels):
        distance = ((pixels - image) ** 2).sum(1)
        ranked = np.argsort(distance, kind="stable")  # stable: ties to the lower index
        for j in ranked[ranked != i][:k].tolist():
            expected |= {(i, j), (j, i)}
    pairs = list(map(tuple, digits(k).edge_index.t().tolist()))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected


def test_every_image_reaches_its_nearest_distances():
    # scikit-learn breaks ties differently, but distances do not depend on that.
    data = digits(3)
    reach = NearestNeighbors(n_neighbors=4, algorithm="kd_tree").fit(data.x.double().numpy())
    expected = torch.from_numpy(reach.kneighbors(data.x.double().numpy())[0][:, 1:])
    source, target = data.edge_index
    length = (data.x[source] - data.x[target]).double().norm(dim=1)
    for node in range(0, 1797, 50):
        nearest = length[source == node].sort().values[:3]
        torch.testing.assert_close(nearest, expected[node], rtol=1e-5, atol=0)


def test_features_and_labels():
    data, bunch = digits(), load_digits()
    assert data.x.dtype == torch.float32
    assert torch.equal(data.x * 16, torch.from_numpy(bunch.data).float())
    assert data.y.tolist() == bunch.target.tolist()
    assert data.is_undirected()
    assert not data.has_self_loops()
    assert not data.has_isolated_nodes()


@pytest.mark.parametrize("k", [0, -1, 1797])
def test_k_outside_its_range(k):
    expected = r"lie in \[1, 1796\]" if k > 0 else "be at least 1"
    with pytest.raises(ValueError, match=f"digits: k must {expected}, got {k}"):
        digits(k)


@pytest.mark.parametrize("k", [2.0, "3", True])
def test_k_of_the_wrong_type(k):
    with pytest.raises(TypeError, match="digits: k must be a whole number"):
        digits(k)
