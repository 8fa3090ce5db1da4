"""StudentTClustering against the kernel as a double loop, and k-means of scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from gcl.nn.student_t_clustering import StudentTClustering


def blobs(n=60, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = 6 * torch.randn(3, d, generator=generator)
    return centres[torch.arange(n) % 3] + torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("v", [1.0, 3.5])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_kernel(v, shift):
    head = StudentTClustering(3, 4, v).double()
    z = blobs().double()[:9] + shift
    with torch.no_grad():
        head.centres.add_(shift)
    z.requires_grad_()
    q = head(z)
    rows = []
    for row in z:
        kernel = torch.stack(
            [(1 + (row - mu).square().sum() / v) ** (-(v + 1) / 2) for mu in head.centres]
        )
        rows.append(kernel / kernel.sum())
    expected = torch.stack(rows)
    assert torch.allclose(q, expected, rtol=1e-8)
    weight = torch.rand(q.shape, dtype=torch.float64)
    ours = torch.autograd.grad((weight * q).sum(), [z, head.centres])
    theirs = torch.autograd.grad((weight * expected).sum(), [z, head.centres])
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-9)


def test_far_rows_are_shared_without_nan():
    head = StudentTClustering(3, 2)
    z = torch.tensor([[1e15, -1e15], [0.0, 0.0]], requires_grad=True)
    q = head(z)
    q[:, 0].sum().backward()
    assert torch.allclose(q.sum(1), torch.ones(2))
    assert (q > 0).all()
    assert z.grad.isfinite().all()
    assert head(z.detach().bfloat16()).dtype == torch.float32


def test_start_is_k_means():
    z, head = blobs(), StudentTClustering(3, 4)
    state = torch.get_rng_state()
    head.start(z, seed=3, restarts=5)
    best = KMeans(3, n_init=5, random_state=3).fit(z.numpy())
    assert np.allclose(head.centres.detach().numpy(), best.cluster_centers_, atol=1e-5)
    assert np.array_equal(head(z).argmax(1).numpy(), best.labels_)
    assert torch.equal(state, torch.get_rng_state())
    assert head.centres.requires_grad


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_fewer_different_rows_than_clusters(rows):
    z = torch.arange(rows).repeat(3)[:, None].float()
    head = StudentTClustering(5, 1)
    head.start(z)
    q = head(z)
    assert len(q.argmax(1).unique()) == rows
    assert (q.max(1).values > 0.5 if rows == 1 else q.isfinite().all(1)).all()
    empty = torch.bincount(q.argmax(1), minlength=5) == 0
    assert empty.sum() == 5 - rows
    assert len(head.centres.unique()) == 5


def test_bad_input():
    with pytest.raises(ValueError, match="clusters must be at least 1"):
        StudentTClustering(0, 3)
    with pytest.raises(ValueError, match="v must be a number above 0"):
        StudentTClustering(2, 3, v=0)
    head = StudentTClustering(2, 3)
    with pytest.raises(ValueError, match=r"expected embeddings \[n, 3\], got \[5, 2\]"):
        head(torch.ones(5, 2))
    with pytest.raises(ValueError, match=r"\[n, 3\] with rows to cluster"):
        head.start(torch.ones(0, 3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        head.start(torch.full((4, 3), float("nan")))
    with pytest.raises(ValueError, match="restarts must be at least 1"):
        head.start(torch.ones(4, 3), restarts=0)
    assert repr(head) == "StudentTClustering(clusters=2, in_channels=3, v=1)"


def test_a_far_centre_takes_no_digits_from_the_others():
    head = StudentTClustering(3, 10)
    with torch.no_grad():
        head.centres.copy_(torch.tensor([0.0, 0.02, 500.0])[:, None].expand(3, 10))
    z = torch.full((1, 10), 0.02)
    torch.testing.assert_close(head(z).double(), head.double()(z.double()), rtol=0, atol=1e-6)


def test_surplus_centres_leave_the_nearest_as_it_is():
    torch.manual_seed(0)
    z = (0.1 * torch.randn(3, 10)).repeat(60, 1)
    head = StudentTClustering(50, 10)
    head.start(z)
    nearest = head(z).argmax(1)
    assert torch.equal(nearest, head.double()(z.double()).argmax(1))
    assert len(nearest.unique()) == 3
