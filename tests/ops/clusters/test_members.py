"""Clusters as labels and as shares against one-hot matrices."""

import math

import numpy as np
import pytest
import torch

from gcl.ops.clusters.members import (
    Members,
    covariances,
    overlap,
    positive,
    prepare_rows,
    safe_logsumexp,
)
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from tests.ops.clusters.by_loops import LABELS, as_shares, draw, some_shares


@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_many_equal_rows_keep_their_digits(proxy):
    z = torch.full((300_000, 4), 0.5)
    labels = torch.arange(len(z)) % 3
    value = meta_node_logsumexp(z, z, 0.1, labels, proxy=proxy)
    exact = math.log(len(z)) + 10  # all cosines are 1
    assert float((value - exact).abs().max()) < 2e-4


N, K = 9, 5
HARD = Members(torch.tensor(LABELS), None, K)
SOFT = Members(None, some_shares(N, K), K)


def matrix(members):
    return as_shares(members.labels if members.shares is None else members.shares, K)


@pytest.mark.parametrize("members", [HARD, SOFT], ids=["labels", "shares"])
def test_sums_are_products_with_the_matrix_of_shares(members):
    x, q = draw(N), matrix(members)
    np.testing.assert_allclose(members.sizes(x), q.sum(0))
    np.testing.assert_allclose(members.sums(x), q.T @ x.numpy(), atol=1e-15)
    moments = np.einsum("jb,jd,je->bde", q, x.numpy(), x.numpy())
    np.testing.assert_allclose(members.second_moments(x), moments, atol=1e-15)


@pytest.mark.parametrize("members", [HARD, SOFT], ids=["labels", "shares"])
def test_covariances_are_those_of_numpy(members):
    x, q = draw(N), matrix(members)
    sizes = members.sizes(x)
    means = members.sums(x) / positive(sizes)[:, None]
    found = covariances(x, members, sizes, means)
    for b in range(K):
        if q[:, b].any():
            expected = np.cov(x.numpy().T, aweights=q[:, b], ddof=0)
            np.testing.assert_allclose(found[b], expected, atol=1e-14)
        else:
            assert not found[b].any()


def test_values_of_clusters_as_values_of_rows():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    assert HARD.of_rows(values).tolist() == [1, 3, 1, 1, 5, 3, 1, 2, 2]
    q = matrix(SOFT)
    expected = [row @ values.numpy() / (row.sum() or 1) for row in q]
    assert SOFT.of_rows(values).tolist() == pytest.approx(expected)
    values[1] = -torch.inf  # the empty cluster: nobody's
    assert SOFT.of_rows(values).isfinite().all()
    values[2] = -torch.inf
    assert SOFT.of_rows(values).isneginf().tolist() == (q[:, 2] > 0).tolist()


@pytest.mark.parametrize("members", [HARD, SOFT], ids=["labels", "shares"])
@pytest.mark.parametrize("queries", [HARD, SOFT], ids=["labels", "shares"])
def test_overlap_is_a_product_of_three_matrices(queries, members):
    x = torch.linspace(-1, 2, N, dtype=torch.float64)
    expected = matrix(queries).T @ np.diag(x.numpy()) @ matrix(members)
    np.testing.assert_allclose(overlap(x, queries, members), expected, atol=1e-15)


def test_logsumexp_of_nothing_has_a_finite_gradient():
    logits = torch.tensor([[0.0, math.log(3)], [-math.inf, 1.0], [-math.inf, -math.inf]])
    logits.requires_grad_()
    value = safe_logsumexp(logits)
    assert value.tolist() == pytest.approx([math.log(4), 1.0, -math.inf])
    (grad,) = torch.autograd.grad(value[:2].sum() + torch.logaddexp(value[2], value[1]), logits)
    torch.testing.assert_close(grad, torch.tensor([[0.25, 0.75], [0.0, 2.0], [0.0, 0.0]]))


def test_rows_and_clusters_are_prepared_once():
    def prepare(z, keys, **options):
        options = {
            "assignment": torch.tensor(LABELS), "query_assignment": None, "clusters": None,
            "proxy": "pair", "normalize": True, "exclude": False, "needs_queries": True, **options,
        }  # fmt: skip
        return prepare_rows("here", z, keys, **options)

    z = 3 * draw(N)
    u, v, members, queries = prepare(z, z)
    assert u is v
    assert queries is members
    np.testing.assert_allclose(u.norm(dim=1), 1)
    u, v, members, queries = prepare(z.bfloat16(), z.float(), normalize=False)
    assert {u.dtype, v.dtype} == {torch.float32}
    _, _, members, queries = prepare(z[:2], z, query_assignment=torch.tensor([0, 7]))
    assert members.number == queries.number == 8  # they speak of the same clusters
    with pytest.raises(ValueError, match="here: 2 anchors and 9 candidates need query_assignment"):
        prepare(z[:2], z)
    with pytest.raises(TypeError, match="here: assignment must hold labels"):
        prepare(z, z, assignment=LABELS)
