"""Clusters in the place of all negatives."""

import pytest
import torch

import gcl
from gcl.losses import InfoNCE, MetaNodeNegatives
from gcl.methods import meta_nodes


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def test_the_loss_is_that_of_meta_nodes(data):
    still = {"drop_edge": (0.0, 0.0), "mask_feature": (0.0, 0.0)}
    method = meta_nodes(gcl.methods.grace(data, hidden=8, proj=8, **still), clusters=4)
    prepared = method.prepare(data)
    h = method.projector(method.embed(prepared))
    expected = InfoNCE(0.4, negatives=MetaNodeNegatives(4))(h, h)
    torch.testing.assert_close(method(prepared), expected)


def test_refuses(data):
    method = gcl.methods.grace(data, hidden=4)
    with pytest.raises((TypeError, ValueError), match="must be"):
        meta_nodes(method, clusters=0)
    with pytest.raises(ValueError, match="negatives or weights of its own"):
        meta_nodes(meta_nodes(method))
