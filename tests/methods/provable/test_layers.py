"""Encoders that bounds are made of, and those that have none."""

import pytest
import torch
from torch import nn

import gcl
from gcl.methods.provable.layers import gcn_layers
from tests.methods.provable.dense_gcn import random_encoder


def channels(width):
    return lambda: nn.PReLU(width)


def test_layers_are_read_with_their_slopes():
    encoder = random_encoder(0, (3, 4, 4), channels(4))
    layers = gcn_layers(encoder)
    assert [len(layer.slope) for layer in layers] == [4, 4]
    assert not layers[0].slope.requires_grad
    plain = gcl.nn.GCNEncoder(3, 4, plain_last=True)
    assert [float(layer.slope) for layer in gcn_layers(plain)] == [0.0, 1.0]


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
def test_slopes_outside_the_range_are_refused(value):
    with pytest.raises(ValueError, match=r"slopes of the activation in \[0, 1\)"):
        gcn_layers(gcl.nn.GCNEncoder(3, 4, act=lambda: nn.LeakyReLU(value)))
    learned = gcl.nn.GCNEncoder(3, 4, act="prelu")
    with torch.no_grad():
        learned.afters[1][0].weight.fill_(value)
    with pytest.raises(ValueError, match=r"slopes of the activation in \[0, 1\)"):
        gcn_layers(learned)


def test_what_has_no_bounds_is_refused():
    from torch_geometric.nn import GIN

    with pytest.raises(TypeError, match=r"GCNEncoder, got GIN"):
        gcn_layers(GIN(3, 4, 2))
    for options in ({"act": "elu"}, {"act": "rrelu"}, {"norm": "batch"}, {"norm": "layer"}):
        with pytest.raises(TypeError, match="ReLU, LeakyReLU or PReLU"):
            gcn_layers(gcl.nn.GCNEncoder(3, 4, **options))
    dropping = gcl.nn.GCNEncoder(3, 4, dropout=0.1)
    with pytest.raises(ValueError, match=r"dropout=0\.1"):
        gcn_layers(dropping)
    assert len(gcn_layers(dropping.eval())) == 2
