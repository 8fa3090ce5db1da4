"""InfoGraph: nodes against graphs, written plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.utils import to_dense_adj

import gcl
from tests.methods.small_graphs import batch


def test_infograph_contrasts_nodes_with_graphs():
    torch.manual_seed(0)
    data = batch(3)
    method = gcl.methods.infograph(data, hidden=4).eval()
    z = method.encoders[0](data.x, data.edge_index)
    graph = torch.stack([z[data.batch == g].sum(0) for g in range(3)])
    assert torch.allclose(method.embed(data), graph, atol=1e-4)
    scores = method.local_head(z) @ method.global_head(graph).T
    own = nn.functional.one_hot(data.batch, 3).bool()
    expected = (
        nn.functional.softplus(-scores[own]).mean()
        + nn.functional.softplus(scores[~own]).mean()
        - 2 * np.log(2)
    )
    assert torch.allclose(method(data), expected, rtol=1e-4)


def test_the_embedding_is_the_sum_over_nodes_of_all_layers():
    data = batch()
    torch.manual_seed(0)
    method = gcl.methods.infograph(data, hidden=4, num_layers=2).eval()
    encoder, layers, x = method.encoders[0], [], data.x
    neighbours = to_dense_adj(data.edge_index, max_num_nodes=data.num_nodes)[0].t()
    for conv, norm in zip(encoder.convs, encoder.norms, strict=True):
        x = norm(conv.nn(x + neighbours @ x).relu())
        layers.append(x)
    nodes = torch.cat(layers, 1)
    expected = torch.stack([nodes[data.batch == g].sum(0) for g in range(6)])
    assert expected.shape == (6, 8)
    assert torch.allclose(method.embed(data), expected, rtol=1e-4, atol=1e-4)


def test_heads_are_three_layers_beside_one_in_the_width_of_the_embedding():
    method = gcl.methods.infograph(batch(), hidden=4, num_layers=3)
    for head in (method.local_head, method.global_head):
        widths = [(lin.in_channels, lin.out_channels) for lin in head.layers.lins]
        assert widths == [(12, 12)] * 3
        assert head.shortcut.weight.shape == (12, 12)
    assert method.local_head is not method.global_head


def test_nothing_is_drawn():
    method, data = gcl.methods.infograph(batch(), hidden=4).eval(), batch()
    state = torch.get_rng_state()
    assert torch.equal(method(data), method(data))
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="hidden_channels must be at least 1"):
        gcl.methods.infograph(batch(), hidden=0)
