"""LocalGlobal: which nodes meet which graphs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gcl.methods import LocalGlobal
from gcl.nn import GINEncoder, ShortcutMLP
from tests.methods.small_graphs import batch


def test_mvgrl_crosses_the_views():
    torch.manual_seed(0)
    data = batch(3)
    seen = []

    def loss(local, summary, batch):
        seen.append((local, summary))
        return local.sum() + summary.sum()

    encoders = [GINEncoder(3, 4, 1), GINEncoder(3, 4, 1)]
    same = copy.copy
    method = LocalGlobal(
        encoders, nn.Identity(), nn.Identity(), views=(same, same), loss=loss
    ).eval()
    method(data)
    first, second = (e(data.x, data.edge_index) for e in encoders)
    pool = method.readout
    for (local, summary), (a, b) in zip(seen, ((first, second), (second, first)), strict=True):
        assert torch.allclose(local, a)
        assert torch.allclose(summary, pool(b, data.batch, 3))
    assert torch.allclose(method.embed(data), pool(first + second, data.batch, 3), atol=1e-4)


def test_local_global_errors():
    with pytest.raises(ValueError, match="one or two views with an encoder each"):
        LocalGlobal([GINEncoder(3)], nn.Identity(), nn.Identity(), views=(copy.copy,) * 2)
    assert ShortcutMLP(2, 3)(torch.ones(1, 2)).shape == (1, 3)
