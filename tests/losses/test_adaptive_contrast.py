"""AdaMEOW's objective, and where its weights go."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import logsigmoid

from gcl.losses import AdaptiveContrast
from gcl.ops.similarity import unit_rows


def setting(normalize, n=12, d=5):
    torch.manual_seed(0)
    loss = AdaptiveContrast(d, 0.7, hidden=4, normalize=normalize).double()
    with torch.no_grad():
        for p in loss.parameters():
            p.mul_(3)
    return loss, torch.randn(n, d).double(), torch.randn(n, d).double()


def log_weights(loss, f, a):
    """log W_ij by a double loop, normalised over j != i."""
    n, net = len(f), loss.weights
    out = torch.empty(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            hidden = torch.tanh(net.first.weight @ (f[i] + a[j]) + net.first.bias)
            score = net.second.weight[0] @ hidden + net.second.bias[0]
            out[i, j] = score if net.normalize == "softmax" else logsigmoid(score)
    if net.normalize != "none":
        for i in range(n):
            others = [j for j in range(n) if j != i]
            out[i] -= out[i, others].logsumexp(0) - math.log(n - 1)
    return out


@pytest.mark.parametrize("normalize", ["none", "mean", "softmax"])
def test_equals_the_double_loop(normalize):
    loss, z1, z2 = setting(normalize)
    f, a = unit_rows(z2), unit_rows(z1)
    w, s = log_weights(loss, f, a).detach(), f @ a.t() / 0.7
    expected = ((w + s).logsumexp(1) - s.diagonal()).mean()
    assert loss(z1, z2).item() == pytest.approx(expected.item(), rel=1e-9)
    others = ~torch.eye(len(f), dtype=torch.bool)
    found = loss.statistics(z1, z2)
    weight = w.exp()[others]
    assert found["weight_mean"] == pytest.approx(weight.mean().item(), rel=1e-9)
    assert found["weight_std"] == pytest.approx(weight.std().item(), rel=1e-9)
    pair = torch.stack([weight, s[others]])
    assert found["weight_similarity"] == pytest.approx(torch.corrcoef(pair)[0, 1].item(), rel=1e-6)


@pytest.mark.parametrize("normalize", ["none", "mean", "softmax"])
def test_weights_sink_unless_they_are_normalised(normalize):
    loss, z1, z2 = setting(normalize, n=40)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    means = []
    for _ in range(30):
        means.append(loss.statistics(z1, z2)["weight_mean"])
        optimizer.zero_grad()
        loss(z1, z2).backward()
        optimizer.step()
    if normalize == "none":
        assert all(later < earlier for earlier, later in pairwise(means))
        assert means[-1] < 0.5 * means[0]
    else:
        assert means == pytest.approx([1.0] * 30)


def test_bad_input():
    with pytest.raises(ValueError, match="normalize must be one of"):
        AdaptiveContrast(4, normalize="sum")
    with pytest.raises(ValueError, match="width 4, got 5"):
        AdaptiveContrast(4)(torch.randn(3, 5), torch.randn(3, 5))
