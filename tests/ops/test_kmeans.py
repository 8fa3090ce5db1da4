"""Spherical k-means against scikit-learn, and where k-means usually breaks."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch.nn.functional import normalize

from gcl.ops import kmeans
from gcl.ops.kmeans import spherical_kmeans


def blobs(k=6, each=20, d=8, noise=0.05):
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(d, dtype=torch.float64)[:k].repeat_interleave(each, 0)
    z = centres + noise * torch.randn(k * each, d, generator=generator, dtype=torch.float64)
    length = 0.1 + 5 * torch.rand(k * each, 1, generator=generator, dtype=torch.float64)
    return (length * z)[torch.randperm(k * each, generator=generator)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scikit_learn_on_separated_blobs(seed):
    z = blobs()
    labels, centroids = spherical_kmeans(z, 6, seed=seed)
    oracle = KMeans(6, n_init=10, random_state=0).fit(normalize(z).numpy())
    assert adjusted_rand_score(oracle.labels_, labels.numpy()) == 1
    theirs = normalize(torch.from_numpy(oracle.cluster_centers_))
    order = (centroids @ theirs.t()).argmax(1)
    assert torch.allclose(centroids, theirs[order], atol=1e-10)


def test_start_is_spread_over_the_blobs():
    z = blobs(noise=0.01)
    labels, _ = spherical_kmeans(z, 6, iterations=0)
    assert adjusted_rand_score(spherical_kmeans(z, 6)[0], labels) == 1


def test_objective_is_close_to_scikit_learn_without_structure():
    z = torch.randn(300, 6, generator=torch.manual_seed(0), dtype=torch.float64)
    labels, centroids = spherical_kmeans(z, 12, iterations=100)
    mine = (normalize(z) * centroids[labels]).sum()
    oracle = KMeans(12, n_init=10, random_state=0).fit(normalize(z).numpy())
    theirs = normalize(torch.from_numpy(oracle.cluster_centers_))[oracle.labels_]
    assert mine > 0.97 * (normalize(z) * theirs).sum()


def test_fixed_point():
    z = torch.randn(90, 5, generator=torch.manual_seed(1), dtype=torch.float64)
    labels, centroids = spherical_kmeans(z, 7, iterations=200)
    assert torch.equal(labels, (normalize(z) @ centroids.t()).argmax(1))
    for c in range(7):
        assert torch.allclose(centroids[c], normalize(normalize(z)[labels == c].sum(0), dim=0))
    again, same = spherical_kmeans(z, 7, init=3 * centroids)
    assert torch.equal(again, labels)
    assert torch.allclose(same, centroids)


def test_order_of_rows_and_lengths_do_not_matter():
    z = torch.randn(80, 5, generator=torch.manual_seed(2), dtype=torch.float64)
    order = torch.randperm(80, generator=torch.manual_seed(3))
    labels, _ = spherical_kmeans(z, 9)
    assert torch.equal(spherical_kmeans(z[order], 9)[0], labels[order])
    assert torch.equal(spherical_kmeans(z * torch.arange(1, 81)[:, None], 9)[0], labels)
    assert torch.equal(spherical_kmeans(z, 9)[0], labels)
    assert not torch.equal(spherical_kmeans(z, 9, seed=1)[0], labels)


def test_own_random_numbers():
    before = torch.get_rng_state()
    spherical_kmeans(blobs(), 6)
    assert torch.equal(torch.get_rng_state(), before)


def test_more_clusters_than_rows():
    z = torch.randn(5, 4, generator=torch.manual_seed(0))
    labels, centroids = spherical_kmeans(z, 9)
    assert len(labels.unique()) == 5  # every row a cluster, four stay empty
    assert centroids.shape == (9, 4)
    assert torch.allclose(centroids[labels], normalize(z), atol=1e-6)


def test_fewer_different_rows_than_clusters():
    z = torch.eye(3)[[0, 0, 1, 1, 1, 2]]
    labels, centroids = spherical_kmeans(z, 5)
    assert len(labels.unique()) == 3
    assert torch.equal(centroids[labels], z)
    assert spherical_kmeans(torch.ones(4, 2), 3)[0].tolist() == [0, 0, 0, 0]  # ties: the first


def test_empty_clusters_are_moved_to_the_worst_row():
    z = blobs(k=3)
    start = torch.zeros(3, 8, dtype=torch.float64)
    start[:, 7] = torch.tensor([1.0, -1.0, -1.0])  # no row is near the second or the third
    start[0, :3] = 1.0
    labels, _ = spherical_kmeans(z, 3, init=start)
    oracle = KMeans(3, n_init=10, random_state=0).fit(normalize(z).numpy())
    assert adjusted_rand_score(oracle.labels_, labels.numpy()) == 1


def test_zero_rows_pull_no_centroid():
    z = torch.cat([torch.zeros(300, 8, dtype=torch.float64), blobs(k=4)])
    one = torch.ones(4, dtype=torch.float64)
    for seed in range(5):
        _, start = spherical_kmeans(z, 4, iterations=0, seed=seed)
        assert torch.allclose(start.norm(dim=1), one)
    # Three of these lose all rows and must move to rows that have a direction.
    init = z.sum(0) * torch.tensor([[1.0], [-1.0], [-1.0], [-1.0]])
    labels, centroids = spherical_kmeans(z, 4, init=init)
    assert torch.allclose(centroids.norm(dim=1), one)
    assert len(labels[300:].unique()) == 4
    labels, centroids = spherical_kmeans(torch.zeros(3, 2), 2)
    assert labels.tolist() == [0, 0, 0]
    assert torch.equal(centroids, torch.zeros(2, 2))


def test_blocks_of_rows_change_nothing(monkeypatch):
    z = blobs()
    labels, _ = spherical_kmeans(z, 6)
    monkeypatch.setattr(kmeans, "PAIRS", 50)
    assert torch.equal(spherical_kmeans(z, 6)[0], labels)


def test_no_gradient_and_half_precision():
    z = blobs().float().requires_grad_()
    labels, centroids = spherical_kmeans(z, 6)
    assert not centroids.requires_grad
    assert torch.equal(spherical_kmeans(z.bfloat16(), 6)[0], labels)


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="clusters must be at least 1"):
        spherical_kmeans(z, 0)
    with pytest.raises(ValueError, match="at least one row"):
        spherical_kmeans(z[:0], 2)
    with pytest.raises(ValueError, match="must hold clusters = 2 centroids, got 3"):
        spherical_kmeans(z, 2, init=z)
    with pytest.raises(TypeError, match="floating-point"):
        spherical_kmeans(z.long(), 2)


@pytest.mark.parametrize("options", [{"iterations": 1.5}, {"iterations": []}, {"seed": 0.5}])
def test_options_of_another_kind(options):
    with pytest.raises(TypeError, match=r"spherical_kmeans: .* must be a whole number"):
        spherical_kmeans(torch.eye(3), 2, **options)
