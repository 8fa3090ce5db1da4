"""MEOW's objective: weights by clusters, prototypes, clusters that go on from where they were."""

from __future__ import annotations

import math

import pytest
import torch

from gcl.losses import ClusterContrast, InfoNCE, ProtoNCE
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.similarity import unit_rows


def views(n=40, d=6, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(n, d, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def weights(labels):
    """In how many clusterings two nodes are apart, by a double loop."""
    n = labels.shape[1]
    return torch.tensor(
        [[sum(int(c[i] != c[j]) for c in labels) for j in range(n)] for i in range(n)]
    ).double()


def test_equals_the_formula_on_given_clusters():
    z1, z2 = views()
    loss = ClusterContrast(0.4, lam=0.7, clusters=(3, 5))
    labels = torch.stack(
        [spherical_kmeans(z2.detach(), k, seed=g)[0] for g, k in enumerate((3, 5))]
    )
    w = weights(labels)
    s = unit_rows(z1) @ unit_rows(z2).t() / 0.4
    value = ((w * s.exp()).sum(1).log() - s.diagonal()).mean()
    value = value + 0.7 * ProtoNCE(0.4)(z1, z2, labels)
    found = loss(z1, z2)
    assert found.item() == pytest.approx(value.item(), rel=1e-9)
    for mine, other in zip(
        torch.autograd.grad(found, (z1, z2)), torch.autograd.grad(value, (z1, z2)), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_gradient_at_a_similarity_is_the_published_one():
    z1, z2 = views()
    loss = ClusterContrast(0.4, lam=0.0, clusters=(3, 5))
    n = len(z1)
    loss(z1, z2).backward()
    w = weights(loss.eval().cluster(z2.detach()))
    s = (unit_rows(z1) @ unit_rows(z2).t()).detach()
    share = w * (s / 0.4).exp()
    share = share / share.sum(1, keepdim=True) / (n * 0.4)
    share.fill_diagonal_(-1 / (n * 0.4))
    # dL/du_i = sum_j dL/ds_ij v_j, then through the division by the length.
    gradient = share @ unit_rows(z2).detach()
    u, length = unit_rows(z1).detach(), z1.detach().norm(dim=1, keepdim=True)
    expected = (gradient - (gradient * u).sum(1, keepdim=True) * u) / length
    torch.testing.assert_close(z1.grad, expected)


def test_denominator_is_the_full_sum_less_those_within_clusters():
    z1, z2 = (z.detach() for z in views())
    labels = torch.stack([torch.arange(40) % 3, torch.arange(40) % 7])
    e = (unit_rows(z1) @ unit_rows(z2).t() / 0.4).exp()
    within = sum((e * (c[:, None] == c[None])).sum(1) for c in labels)
    torch.testing.assert_close((weights(labels) * e).sum(1), 2 * e.sum(1) - within)


def test_unweighted_without_prototypes_is_infonce():
    z1, z2 = views()
    plain = ClusterContrast(0.4, lam=0.0, weighted=False, clusters=(3,))
    expected = InfoNCE(0.4, intra=False, symmetric=False)(z1, z2)
    assert torch.equal(plain(z1, z2), expected)
    assert int(plain.calls) == 0


def test_clusters_start_where_they_stopped_and_only_in_training():
    _, z2 = views(60)
    loss = ClusterContrast(0.4, clusters=(4, 8))
    loss.cluster(z2)
    first = loss.centroids_0.clone()
    loss.eval().cluster(z2 + 1)
    assert torch.equal(loss.centroids_0, first)
    loss.train().cluster(z2 + 1)
    assert not torch.equal(loss.centroids_0, first)
    assert int(loss.calls) == 2


def test_in_between_rows_go_to_the_nearest_centroid():
    _, z2 = views(60)
    loss = ClusterContrast(0.4, clusters=(4,), every=3)
    loss.cluster(z2)
    fixed = loss.centroids_0.clone()
    moved = torch.randn_like(z2)
    labels = loss.cluster(moved)
    assert torch.equal(loss.centroids_0, fixed)
    assert torch.equal(labels[0], (unit_rows(moved) @ fixed.t()).argmax(1))
    loss.cluster(moved)
    assert torch.equal(loss.centroids_0, fixed)
    loss.cluster(moved)
    assert not torch.equal(loss.centroids_0, fixed)


def test_state_goes_on_exactly():
    z1, z2 = (z.detach() for z in views(60))
    loss = ClusterContrast(0.4, clusters=(4, 8))
    for shift in range(3):
        loss(z1 + shift, z2 + shift)
    other = ClusterContrast(0.4, clusters=(4, 8))
    other.load_state_dict(loss.state_dict())
    assert torch.equal(loss(z2, z1), other(z2, z1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", ["more clusters than rows", "one cluster", "all rows alike"])
def test_odd_clusters_give_a_finite_loss(case, dtype):
    z1, z2 = (z.detach().to(dtype).requires_grad_() for z in views(9))
    number = {"more clusters than rows": 30, "one cluster": 1, "all rows alike": 3}[case]
    if case == "all rows alike":
        z2 = torch.ones(9, 6, dtype=dtype, requires_grad=True)
    loss = ClusterContrast(0.4, clusters=(number,))(z1, z2)
    loss.backward()
    assert math.isfinite(loss.item())
    assert z1.grad.isfinite().all()


def test_bad_input():
    for options, complaint in (
        ({"clusters": ()}, "is empty"),
        ({"lam": -1.0}, "lam must be at least 0"),
        ({"clusters": (0,)}, "at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"concentration": "cold"}, "concentration must be one of"),
    ):
        with pytest.raises(ValueError, match=complaint):
            ClusterContrast(0.4, **options)
