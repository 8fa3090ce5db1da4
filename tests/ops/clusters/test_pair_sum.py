"""The pair proxy, cluster by cluster, against a loop over pairs of clusters."""

import math

import numpy as np
import pytest
import torch

from gcl.ops.clusters.members import Members, SumOptions
from gcl.ops.clusters.pair_sum import pair_sum
from tests.ops.clusters.by_loops import LABELS, as_shares, draw, some_shares

N, K = 9, 5
HARD = Members(torch.tensor(LABELS), None, K)
SOFT = Members(None, some_shares(N, K), K)
SCALE = torch.tensor(1.7, dtype=torch.float64)


def by_loops(u, v, p, q, bonus, *, within, second, exclude):
    logits = 1.7 * (u @ v.t()).numpy()
    values = []
    for a in range(K):
        terms = []
        for b in range(K):
            weight = np.outer(p[:, a], q[:, b])
            if exclude:
                np.fill_diagonal(weight, 0)
            if weight.sum() == 0 or (a == b and not within):
                continue
            mean = np.average(logits, weights=weight)
            spread = np.average((logits - mean) ** 2, weights=weight)
            terms.append(
                math.log(weight.sum() / p[:, a].sum()) + mean + second * spread / 2 + bonus[a, b]
            )
        values.append(np.logaddexp.reduce(terms) if terms else -math.inf)
    return values


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("members", [HARD, SOFT], ids=["labels", "shares"])
@pytest.mark.parametrize("queries", [HARD, SOFT], ids=["labels", "shares"])
def test_every_pair_of_clusters(queries, members, within, second, exclude):
    u, v = draw(N), draw(N, seed=5)
    p, q = (as_shares(m.labels if m.shares is None else m.shares, K) for m in (queries, members))
    options = SumOptions(within, second, exclude, normalize=False)
    bonus = torch.linspace(0, 1, K * K, dtype=torch.float64).view(K, K)
    cases = {"within": within, "second": second, "exclude": exclude}
    for more in (None, bonus):
        found = pair_sum(u, v, SCALE, members, queries, options, more)
        added = np.zeros((K, K)) if more is None else more.numpy()
        expected = by_loops(u, v, p, q, added, **cases)
        assert found.tolist() == pytest.approx(expected, rel=1e-10)
    assert found.isneginf().tolist() == (p.sum(0) == 0).tolist()


def test_a_cluster_alone_has_nobody_but_itself():
    u = draw(3)
    one = Members(torch.zeros(3, dtype=torch.long), None, 2)
    apart = SumOptions(False, False, False, False)
    assert pair_sum(u, u, SCALE, one, one, apart).tolist() == [-math.inf] * 2
    together = pair_sum(u, u, SCALE, one, one, apart._replace(within=True))
    assert together[0].item() == pytest.approx(
        math.log(3) + 1.7 * float(u.mean(0).square().sum()), rel=1e-12
    )
