"""MLPEncoder against plain torch layers, dense and sparse."""

import pytest
import torch
from torch import nn

from gcl.nn.mlp_encoder import MLPEncoder


def plain(encoder):
    layers = [part for layer in encoder.layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def test_layers_with_relu_between():
    torch.manual_seed(0)
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
    with pytest.raises(ValueError, match=r"^MLPEncoder: unknown norm 'bach'"):
        MLPEncoder(7, (5,), 3, norm="bach")


def test_any_activation_and_norm_of_pyg_also_after_the_last_layer():
    encoder = MLPEncoder(7, (5,), 3, act="prelu", norm="layer", plain_last=False, init="glorot")
    first, last = encoder.layers
    with torch.no_grad():
        encoder.afters[0][1].weight.fill_(0.1)  # every layer has a slope of its own
        encoder.afters[1][1].weight.fill_(0.3)
    x = torch.randn(4, 7)

    def after(z, slope):
        z = z - z.mean()  # PyG's layer norm is over the graph
        return nn.functional.prelu(z / (z.std(unbiased=False) + 1e-5), torch.tensor([slope]))

    expected = after(last(after(first(x), 0.1)), 0.3)
    assert torch.allclose(encoder(x), expected, atol=1e-6)
    assert repr(encoder) == "MLPEncoder(7 -> 5 -> 3, act='prelu', norm='layer', plain_last=False)"
    momentum = MLPEncoder(7, (5,), 3, norm="batch", norm_kwargs={"momentum": 0.3})
    assert momentum.afters[0][0].module.momentum == 0.3
    with pytest.raises(ValueError, match=r"^MLPEncoder: unknown activation 'rely'"):
        MLPEncoder(7, (5,), 3, act="rely")


def test_a_linear_map():
    encoder, x = MLPEncoder(7, (5,), 3, act=None), torch.randn(4, 7)
    assert torch.allclose(encoder(2 * x) - encoder(x), encoder(x) - encoder(0 * x), atol=1e-6)


def test_reset_parameters_starts_anew_by_the_same_rule():
    for init in ("glorot", None):
        encoder = MLPEncoder(7, (5,), 3, act="prelu", norm="batch", init=init)
        encoder(torch.randn(9, 7) + 5)
        torch.manual_seed(3)
        encoder.reset_parameters()
        torch.manual_seed(3)
        fresh = MLPEncoder(7, (5,), 3, act="prelu", norm="batch", init=init)
        for name, value in fresh.state_dict().items():
            if init is None or "layers" not in name:  # glorot draws twice at the start
                assert torch.equal(encoder.state_dict()[name], value), name
        bound = (6 / 12) ** 0.5 if init else 7**-0.5
        assert 0.8 * bound < float(encoder.layers[0].weight.detach().abs().max()) <= bound


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_features_are_dropped_in_training_only(layout):
    encoder = MLPEncoder(1000, (), 1, dropout=0.75)
    with torch.no_grad():
        encoder.layers[0].weight.fill_(1.0)
        encoder.layers[0].bias.zero_()
    x = torch.eye(1000)
    x = x.to_sparse_csr() if layout == "sparse" else x
    z = encoder(x)
    assert sorted(z.unique().tolist()) == [0.0, 4.0]  # what is left is four times as large
    assert (z == 0).float().mean().item() == pytest.approx(0.75, abs=0.06)
    assert torch.equal(encoder.eval()(x), torch.ones(1000, 1))
    assert repr(encoder) == "MLPEncoder(1000 -> 1, dropout=0.75)"


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
    assert repr(MLPEncoder(3, (4,), 2, norm="batch")) == "MLPEncoder(3 -> 4 -> 2, norm='batch')"


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
