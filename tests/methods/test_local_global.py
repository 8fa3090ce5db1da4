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


def test_views_that_drop_nodes_meet_graphs_with_those_that_are_left():
    torch.manual_seed(0)
    data = batch(3)
    kept = torch.ones(data.num_nodes, dtype=torch.bool)
    kept[0] = False
    seen = []

    def loss(local, summary, batch):
        seen.append((local, summary, batch))
        return local.sum() + summary.sum()

    def lesser(data):
        data.x, data.batch = data.x[kept], data.batch[kept]
        data.row_in_graph = data.row_in_graph[kept]
        inside = (data.edge_index > 0).all(0)
        data.edge_index = data.edge_index[:, inside] - 1
        return data

    encoders = [GINEncoder(3, 4, 1), GINEncoder(3, 4, 1)]
    views = (lesser, copy.copy)
    LocalGlobal(encoders, nn.Identity(), nn.Identity(), views=views, loss=loss).eval()(data)
    (local, summary, of), (other, _, _) = seen
    assert torch.equal(of, data.batch[kept])
    whole = encoders[1].eval()(data.x, data.edge_index)
    assert torch.allclose(other, whole[kept])
    assert torch.allclose(summary, gcl_pool(whole, data.batch))
    assert len(local) == len(other) == data.num_nodes - 1


def gcl_pool(z, of):
    return torch.stack([z[of == g].sum(0) for g in range(3)])
