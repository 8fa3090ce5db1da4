"""The moving average against its recursion written out."""

import pytest
import torch
from torch import nn

from gcl.nn import EMA


def test_follows_the_recursion():
    online = nn.Linear(2, 1)
    target = EMA(online)
    expected = online.weight.detach().clone()
    for step in range(4):
        with torch.no_grad():
            online.weight.add_(step + 1.0)
        momentum = 0.9 - 0.1 * step
        expected = momentum * expected + (1 - momentum) * online.weight.detach()
        target.update(online, momentum)
    assert torch.allclose(target.module.weight, expected)
    assert not any(p.requires_grad for p in target.parameters())


def test_buffers_are_copied():
    online = nn.BatchNorm1d(3)
    target = EMA(online)
    online(torch.randn(8, 3) + 5)
    target.update(online, 0.99)
    assert torch.equal(target.module.running_mean, online.running_mean)


def test_bad_momentum():
    online = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        EMA(online).update(online, 1.5)
