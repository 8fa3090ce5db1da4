"""InfoGraph's head against its formula, written out from its weights."""

import pytest
import torch
from torch.nn.functional import elu, relu

from gcl.nn.shortcut_mlp import ShortcutMLP


@pytest.mark.parametrize(("act", "function"), [("relu", relu), ("elu", elu)])
def test_three_layers_beside_one(act, function):
    torch.manual_seed(0)
    head, x = ShortcutMLP(4, 6, act).double(), torch.randn(5, 4, dtype=torch.float64)
    weights = dict(head.named_parameters())
    shapes = [tuple(w.shape) for name, w in weights.items() if name.startswith("layers")]
    assert shapes == [(6, 4), (6,), (6, 6), (6,), (6, 6), (6,)]
    z = x
    for i in range(3):
        w, b = weights[f"layers.lins.{i}.weight"], weights[f"layers.lins.{i}.bias"]
        z = function(z @ w.t() + b)  # after the last layer too
    expected = z + x @ weights["shortcut.weight"].t() + weights["shortcut.bias"]
    torch.testing.assert_close(head(x), expected)


def test_the_shortcut_reaches_below_zero():
    torch.manual_seed(0)
    head, x = ShortcutMLP(4, 6), torch.randn(50, 4)
    assert (head.layers(x) >= 0).all()
    assert (head(x) < 0).any()


def test_every_parameter_is_trained_and_no_row_knows_another():
    torch.manual_seed(0)
    head, x = ShortcutMLP(4, 6), torch.randn(50, 4)
    head(x).square().sum().backward()
    assert all(bool(p.grad.any()) for p in head.parameters())
    torch.testing.assert_close(head(x)[7:9], head(x[7:9]))
    assert head.eval()(x[:0]).shape == (0, 6)
