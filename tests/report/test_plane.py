"""Embeddings in the plane."""

import numpy as np
import pytest
import torch

from gcl.report.plane import planes, sample, whole


def blobs(rows=90, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.eye(3, 8).repeat(rows // 3, 1) + 0.1 * torch.randn(rows, 8, generator=generator)


def test_pca_is_that_of_the_singular_values():
    z = blobs()
    pca, _ = planes(z)
    u = torch.nn.functional.normalize(z, dim=1).double()
    u = (u - u.mean(0)).numpy()
    left, values, _ = np.linalg.svd(u, full_matrices=False)
    exact = left[:, :2] * values[:2]
    share = (values[:2] ** 2).sum() / (values**2).sum()
    assert pca.name == f"PCA ({100 * share:.0f} % of the variance)"
    found = pca.points.astype(float)
    for axis in range(2):  # up to scale, sign and shift
        assert abs(np.corrcoef(found[:, axis], exact[:, axis])[0, 1]) > 0.9999


def test_tsne_keeps_neighbours_together():
    _, tsne = planes(blobs())
    points = tsne.points.astype(float)
    away = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(90)
    assert ((away.argmin(1) - np.arange(90)) % 3 == 0).all()


def test_the_same_twice_whatever_was_drawn_before():
    z = blobs()
    first = planes(z, neighbours=50)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    second = planes(z, neighbours=50)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.points, other.points)
        assert np.array_equal(one.rows, other.rows)
    assert len(first[1].rows) == 50
    assert first[1].name == "t-SNE (of 50 nodes)"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 4), (4, 1), (6, 2)])
def test_few_rows_and_columns(shape):
    for z in (torch.ones(shape), torch.zeros(shape), torch.randn(shape)):
        found = planes(z)
        assert found[0].points.shape == (shape[0], 2)
        assert len(found) == 1 + (shape[0] >= 4)


def test_whole_numbers_keep_the_shape():
    points = np.random.default_rng(0).normal(size=(50, 2)) * [3, 1]
    found = whole(points).astype(float)
    assert np.abs(found).max() == 32_767
    scale = np.ptp(points[:, 0]) / np.ptp(found[:, 0])
    assert np.allclose(found * scale, points - (points.min(0) + points.max(0)) / 2, atol=scale)


def test_a_sample_is_in_order_and_has_no_row_twice():
    rows = sample(1000, 100)
    assert (np.diff(rows) > 0).all()
    assert len(rows) == 100
    assert not np.array_equal(rows, np.arange(100))
