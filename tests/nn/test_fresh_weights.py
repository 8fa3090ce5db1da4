"""Fresh weights are those of a new module."""

import copy

import pytest
import torch
from torch import nn

import gcl
from gcl.nn.fresh_weights import draw_again
from tests.methods.papers import RECIPES as HETERO
from tests.methods.papers import graph as papers
from tests.methods.papers import make as make_hetero
from tests.test_contracts import RECIPES

M = gcl.methods


def spread(method):
    """Of every weight matrix, by name, how large its entries are."""
    found = {}
    for name, p in method.named_parameters():
        if p.dim() > 1:
            found[name] = float(p.detach().square().mean().sqrt())
    return found


def constant(weights):
    """Whether they start as one number, as biases do, and the token of `graphmae`."""
    return weights.numel() > 1 and bool(weights.std() == 0)


def check(method):
    torch.manual_seed(1)
    trained = copy.deepcopy(method)
    with torch.no_grad():
        for p in trained.parameters():
            p.normal_(mean=7.0)  # unlike any start
        for buffer in trained.buffers():
            if buffer.is_floating_point():
                buffer.fill_(3.0)
    draw_again(trained)
    for (name, old), new in zip(method.named_parameters(), trained.parameters(), strict=True):
        assert old.requires_grad == new.requires_grad
        if old.dim() > 1 and not constant(old):
            assert not torch.equal(old, new), name
    for name, size in spread(method).items():
        # Entries of one distribution: few of them, so far from equal sizes.
        assert spread(trained)[name] == pytest.approx(size, rel=0.6), name
    # Every parameter that a new method starts with as a constant starts so again.
    for (name, old), new in zip(method.named_parameters(), trained.parameters(), strict=True):
        if constant(old):
            assert torch.equal(old, new), name


@pytest.mark.parametrize("name", RECIPES)
def test_of_a_recipe(name):
    data = gcl.datasets.load("karate")
    data.x = torch.rand(34, 12, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    check(getattr(M, name)(data, **RECIPES[name]))


@pytest.mark.parametrize("name", HETERO)
def test_of_a_recipe_for_several_types(name):
    torch.manual_seed(0)
    check(make_hetero(name, papers()))


def test_running_statistics_start_again():
    layer = nn.Sequential(nn.BatchNorm1d(3))
    layer(torch.randn(5, 3))
    draw_again(layer)
    assert torch.equal(layer[0].running_mean, torch.zeros(3))
    assert layer[0].num_batches_tracked == 0


def test_a_target_that_starts_equal_to_its_encoder_does_so_again():
    encoder = gcl.nn.GCNEncoder(3, 4)
    method = M.Bootstrap(encoder, (lambda g: g,), nn.Linear(4, 4))
    draw_again(method)
    for mine, theirs in zip(method.target.parameters(), method.encoder.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    method = M.bgrl(gcl.datasets.load("karate"), hidden=4)
    draw_again(method)
    assert not torch.equal(method.target.module.weights[0], method.encoder.weights[0])


def test_the_start_of_an_mlp_is_drawn_as_at_first():
    for init in (None, "glorot"):
        torch.manual_seed(0)
        encoder = gcl.nn.MLPEncoder(300, (200,), 100, norm="batch", init=init)
        bound = [float(layer.weight.detach().abs().max()) for layer in encoder.layers]
        draw_again(encoder)
        again = [float(layer.weight.detach().abs().max()) for layer in encoder.layers]
        assert again == pytest.approx(bound, rel=0.01)
        assert bool(encoder.layers[0].bias.any()) == (init is None)


def test_what_cannot_be_drawn_again_is_named_and_single_numbers_stay():
    class Own(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = nn.Parameter(weight)

    with pytest.raises(TypeError, match=r"Own has parameters and no reset_parameters\(\)"):
        draw_again(nn.Sequential(nn.Linear(2, 2), Own(torch.ones(2))))
    temperature = nn.Sequential(Own(torch.tensor(0.3)))
    draw_again(temperature)
    assert temperature[0].weight.item() == pytest.approx(0.3)
