"""PairwiseViews against its sum written out."""

from __future__ import annotations

import pytest
import torch

from gcl.losses import CCASSG, DCL, InfoNCE, PairwiseViews, TeamUp


def views(m, n=9, d=5):
    torch.manual_seed(0)
    return [torch.randn(n, d, dtype=torch.float64, requires_grad=True) for _ in range(m)]


@pytest.mark.parametrize("loss", [InfoNCE(0.4), DCL(0.5, symmetric=False), CCASSG()])
@pytest.mark.parametrize("m", [2, 3, 4])
def test_mean_over_pairs(loss, m):
    zs = views(m)
    pairs = [(a, b) for a in range(m) for b in range(m) if a < b]
    expected = sum(loss(zs[a], zs[b]) for a, b in pairs) / len(pairs)
    found = PairwiseViews(loss)(*zs)
    torch.testing.assert_close(found, expected)
    for mine, other in zip(
        torch.autograd.grad(found, zs), torch.autograd.grad(expected, zs), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_values_a_row_and_further_arguments():
    zs = views(3)
    each = PairwiseViews(InfoNCE(0.4, reduction="none"))(*zs)
    assert each.shape == (9,)
    strength = torch.linspace(0, 1, 9, dtype=torch.float64)
    loss = PairwiseViews(TeamUp(0.4, t0=0))
    loss.after_step(100, 200)
    assert loss.pair.gamma == 1.0
    assert not torch.isclose(loss(*zs, community_strength=strength), loss(*zs))


def test_mistakes():
    with pytest.raises(TypeError, match="expected a loss module, got function"):
        PairwiseViews(lambda a, b: (a - b).sum())
    with pytest.raises(ValueError, match="at least two views, got 1"):
        PairwiseViews(InfoNCE())(*views(1))
