"""MACL's temperature around any softmax method."""

import pytest
import torch

import gcl
from gcl.losses import AdaptiveTemperature
from gcl.methods import macl


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


@pytest.mark.parametrize("recipe", ["grace", "gca", "csgcl", "costa", "progcl"])
def test_it_is_the_temperature_of_every_softmax_recipe(data, recipe):
    plain = getattr(gcl.methods, recipe)(data, hidden=4, proj=4, tau=0.4)
    method = macl(plain, alpha=0.5)
    (found,) = (m for m in method.modules() if isinstance(m, AdaptiveTemperature))
    assert (found.tau0, found.alpha) == (0.4, 0.5)
    prepared = method.prepare(data)
    method(prepared).backward()
    assert torch.isfinite(found.alignment)  # the loss has asked it
    assert not any(isinstance(m, AdaptiveTemperature) for m in plain.modules())


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_it_goes_with_other_variants_in_any_order(data, order):
    around = [macl, gcl.methods.several_views]
    method = gcl.methods.grace(data, hidden=4, proj=4)
    for i in order:
        method = around[i](method)
    found = [m for m in method.modules() if isinstance(m, AdaptiveTemperature)]
    assert len(found) == 1
    inside = macl(gcl.methods.pot(gcl.methods.grace(data, hidden=4, proj=4)))
    assert isinstance(inside.method.objective.tau, AdaptiveTemperature)


def test_alpha_of_zero_keeps_the_loss(data):
    method = gcl.methods.grace(data, hidden=4, proj=4)
    losses = []
    for one in (method, macl(method, alpha=0.0)):
        torch.manual_seed(0)
        losses.append(one(one.prepare(data)).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_refuses(data):
    with pytest.raises(TypeError, match="at a fixed temperature, such as grace, got a TwoView"):
        macl(gcl.methods.gbt(data, hidden=4))
    with pytest.raises(TypeError, match="macl: expected"):
        macl(macl(gcl.methods.grace(data, hidden=4)))
    with pytest.raises(ValueError, match="alpha must lie in"):
        macl(gcl.methods.grace(data, hidden=4), alpha=2.0)
