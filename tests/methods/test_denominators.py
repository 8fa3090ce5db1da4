"""Negatives of contrastive clustering against sums over all nodes."""

import math

import pytest
import torch

from gcl.methods.denominators import ClusterMetaNodes, ExactNegatives


def test_the_node_form_without_own_pairs_is_exact_for_singletons():
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    q = torch.eye(7)
    exact = ExactNegatives(own=False)(z, q, 0.3)
    assert torch.allclose(ClusterMetaNodes(exclude=True)(z, q, 0.3), exact, atol=1e-5)
    soft = ClusterMetaNodes(assign="soft", exclude=True)(z, q, 0.3)
    assert torch.allclose(soft, exact, atol=1e-5)


def test_soft_meta_nodes_pass_gradient_through_the_memberships():
    z = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    q = torch.rand(9, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ClusterMetaNodes(assign="soft")(z, q, 0.5).sum().backward()
    assert q.grad.abs().max() > 0
    assert not ClusterMetaNodes()(z, q, 0.5).requires_grad


@pytest.mark.parametrize("exact", [False, True])
def test_proxy_is_below_exact_by_a_bounded_gap(exact):
    z = torch.randn(60, 5, generator=torch.Generator().manual_seed(2))
    q = torch.rand(60, 4, generator=torch.Generator().manual_seed(3))
    u = torch.nn.functional.normalize(z)
    whole = (u @ u.t() / 0.9).exp().sum(1).log()
    gap = whole - ClusterMetaNodes()(z, q, 0.9)
    labels = q.argmax(1)
    diameter = max(torch.cdist(u[labels == k], u[labels == k]).max() for k in range(4))
    assert gap.min() > -1e-5
    assert gap.max() <= diameter**2 / (8 * 0.9**2)


def test_gap_of_cluster_meta_nodes_is_the_difference():
    torch.manual_seed(0)
    z, q = torch.randn(9, 4, dtype=torch.double), torch.rand(9, 3, dtype=torch.double)
    u = z / z.norm(dim=1, keepdim=True)
    for within in (True, False):
        negatives = ClusterMetaNodes(within_cluster=within)
        with pytest.raises(ValueError, match="nothing to measure"):
            negatives.gap()
        negatives.remember = True
        value = negatives(z, q, 0.5)
        labels, gaps = q.argmax(1), []
        for i in range(9):
            terms = [
                math.exp(float(u[i] @ u[j]) / 0.5)
                for j in range(9)
                if within or labels[i] != labels[j]
            ]
            gaps.append(math.log(sum(terms)) - float(value[i]))
        found = negatives.gap()
        assert found["gap"] == pytest.approx(sum(gaps) / 9)
        assert found["gap_max"] == pytest.approx(max(map(abs, gaps)))
        assert found["gap"] <= negatives.bound()["mean_bound"]
