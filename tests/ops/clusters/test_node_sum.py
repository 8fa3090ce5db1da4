"""The node proxy in blocks of rows, and with a bonus for every cluster."""

import math

import numpy as np
import pytest
import torch

import gcl.ops.clusters.node_sum
from gcl.ops.clusters.members import Members, SumOptions
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.clusters.node_sum import node_sum
from tests.ops.clusters.by_loops import LABELS, as_shares, clustered, draw, some_shares


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("normalize", [True, False])
def test_blocks_of_rows_equal_one_block(monkeypatch, kind, exclude, normalize):
    n = 150
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(6, (n,), generator=generator)
    given = labels if kind == "labels" else some_shares(n, 6)
    inputs = [draw(n).requires_grad_(), draw(n, seed=1).requires_grad_()]
    inputs.append(torch.linspace(0.3, 1.0, n, dtype=torch.float64, requires_grad=True))

    def run():
        value = meta_node_logsumexp(
            *inputs, given, exclude=exclude, within_cluster=False, normalize=normalize
        )
        return value, torch.autograd.grad(value.square().sum(), inputs)

    whole, slopes = run()
    monkeypatch.setattr(gcl.ops.clusters.node_sum, "BLOCK", 100)  # 16 rows
    parts, others = run()
    assert torch.allclose(parts, whole, rtol=1e-12)
    for mine, other in zip(slopes, others, strict=True):
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_no_second_derivative():
    z, labels = clustered(0)
    z.requires_grad_()
    value = meta_node_logsumexp(z, z, 0.5, labels)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(value.sum(), z, create_graph=True)


@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_bonus_is_added_to_the_logit_of_its_cluster(kind, apart):
    u, v = draw(9), draw(9, seed=5)
    given = torch.tensor(LABELS) if kind == "labels" else some_shares(9, 5)
    members = Members(given, None, 5) if kind == "labels" else Members(None, given, 5)
    q = as_shares(given, 5)
    bonus = torch.linspace(-1, 2, 5, dtype=torch.float64)
    options = SumOptions(not apart, False, False, normalize=False)
    scale = torch.linspace(0.5, 2, 9, dtype=torch.float64)
    found = node_sum(u, v, scale, members, members if apart else None, options, bonus)
    for i in range(9):
        terms = []
        for b in range(5):
            keep = 1 - q[i, b] if apart else 1.0
            if q[:, b].sum() > 0 and keep > 0:
                mean = np.average(v.numpy(), axis=0, weights=q[:, b])
                logit = float(scale[i]) * float(u[i].numpy() @ mean) + float(bonus[b])
                terms.append(math.log(keep * q[:, b].sum()) + logit)
        assert found[i].item() == pytest.approx(np.logaddexp.reduce(terms), rel=1e-12)
