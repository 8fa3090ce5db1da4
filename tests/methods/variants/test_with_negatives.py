"""Other negatives in the softmax loss of a method."""

import pytest
import torch

import gcl
from gcl.losses import HardestNegatives, InfoNCE, RandomNegatives
from gcl.methods import several_views, with_negatives


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def test_the_loss_is_that_of_the_negatives(data):
    still = {"drop_edge": (0.0, 0.0), "mask_feature": (0.0, 0.0)}
    plain = gcl.methods.grace(data, hidden=8, proj=8, **still)
    method = with_negatives(plain, HardestNegatives(3))
    prepared = method.prepare(data)
    h = method.projector(method.embed(prepared))
    expected = InfoNCE(0.4, negatives=HardestNegatives(3))(h, h)
    torch.testing.assert_close(method(prepared), expected)
    assert plain.objective.negatives is None


def test_refuses(data):
    method = gcl.methods.grace(data, hidden=4)
    with pytest.raises(TypeError, match="negatives must be callable, got 5"):
        with_negatives(method, 5)
    with pytest.raises(TypeError, match="by a softmax loss, such as grace, got a TwoView"):
        with_negatives(gcl.methods.gbt(data, hidden=4), RandomNegatives(3))
    with pytest.raises(TypeError, match="apply it before several_views"):
        with_negatives(several_views(method), RandomNegatives(3))
    with pytest.raises(ValueError, match="InfoNCE of this TwoView has negatives"):
        with_negatives(with_negatives(method, RandomNegatives(3)), RandomNegatives(3))
