"""MLPEncoder against plain torch layers, dense and sparse."""

import pytest
import torch
from torch import nn

from gcl.nn.mlp_encoder import MLPEncoder


def plain(encoder):
    layers = [part for layer in encoder.layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def test_layers_with_relu_between():
    encoder = MLPEncoder(7, (5, 9), 3)
    x = torch.randn(4, 7)
    assert torch.equal(encoder(x), plain(encoder)(x))
    assert [tuple(layer.weight.shape) for layer in encoder.layers] == [(5, 7), (9, 5), (3, 9)]
    assert encoder.out_channels == 3
    assert (encoder(x) < 0).any()


def test_defaults_are_the_papers():
    assert MLPEncoder(4).widths == (4, 500, 500, 2000, 10)
    assert MLPEncoder(4, (), 2).widths == (4, 2)


def test_batch_norm_before_every_relu():
    encoder = MLPEncoder(7, (5, 9), 3, norm="batch")
    first, second, last = encoder.layers
    plain = nn.Sequential(
        first, nn.BatchNorm1d(5), nn.ReLU(), second, nn.BatchNorm1d(9), nn.ReLU(), last
    )
    x = torch.randn(4, 7)
    assert torch.equal(encoder(x), plain(x))
    assert torch.equal(encoder.eval()(x), plain.eval()(x))
    with pytest.raises(ValueError, match="norm must be one of 'batch'"):
        MLPEncoder(7, (5,), 3, norm="layer")


def test_edges_are_ignored():
    encoder, x = MLPEncoder(3, (4,), 2), torch.randn(5, 3)
    edges = torch.tensor([[0, 1], [1, 0]])
    assert torch.equal(encoder(x, edges, torch.rand(2)), encoder(x))


def test_sparse_features_give_the_same_values_and_gradients():
    encoder = MLPEncoder(20, (6,), 3).double()
    x = torch.randn(11, 20, dtype=torch.float64) * (torch.rand(11, 20) < 0.1)
    grads = []
    for features in (x, x.to_sparse_csr()):
        encoder.zero_grad()
        z = encoder(features)
        z.square().sum().backward()
        grads.append([z.detach(), *(p.grad.clone() for p in encoder.parameters())])
    for dense, sparse in zip(*grads, strict=True):
        assert torch.allclose(dense, sparse, rtol=1e-10)


def test_bad_widths():
    with pytest.raises(ValueError, match="width must be at least 1"):
        MLPEncoder(3, (0,))
    with pytest.raises(TypeError, match="width must be a whole number"):
        MLPEncoder(3, (2.5,))
    with pytest.raises(TypeError, match=r"hidden must be widths such as \(512,\), got 4"):
        MLPEncoder(3, 4)
    assert repr(MLPEncoder(3, (4,), 2)) == "MLPEncoder(3 -> 4 -> 2)"
    assert repr(MLPEncoder(3, (4,), 2, norm="batch")) == 'MLPEncoder(3 -> 4 -> 2, norm="batch")'


def test_glorot_start_is_uniform_up_to_its_bound_with_biases_of_zero():
    torch.manual_seed(0)
    for init, bound in (("glorot", (6 / 500) ** 0.5), (None, 400**-0.5)):
        (layer,) = MLPEncoder(400, (), 100, init=init).layers
        weights = layer.weight.detach().abs()
        assert 0.999 * bound < float(weights.max()) <= bound
        assert float(weights.mean()) == pytest.approx(bound / 2, rel=0.01)  # uniform
        assert bool(layer.bias.count_nonzero()) == (init is None)
    with pytest.raises(ValueError, match="init must be"):
        MLPEncoder(3, (), 2, init="he")
