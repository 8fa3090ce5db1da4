"""Attention between views."""

from __future__ import annotations

import torch

from gcl.nn import SemanticAttention


def test_equals_the_double_loop():
    torch.manual_seed(0)
    layer, views = SemanticAttention(3).double(), torch.randn(2, 5, 3, dtype=torch.float64)
    w = [
        sum(layer.query[0] @ torch.tanh(layer.linear.weight @ z + layer.linear.bias) for z in view)
        / 5
        for view in views
    ]
    beta = torch.stack(w).exp() / torch.stack(w).exp().sum()
    torch.testing.assert_close(layer.weights(views), beta)
    torch.testing.assert_close(layer(views), beta[0] * views[0] + beta[1] * views[1])


def test_one_view_comes_out_as_it_went_in():
    view = torch.randn(4, 3)
    assert torch.equal(SemanticAttention(3, dropout=0.5)([view]), view)
