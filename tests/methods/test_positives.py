"""Pairs of nodes that belong together travel from the data to the loss."""

import torch

import gcl
from gcl.losses import CWCL
from gcl.transforms import AddSoftPositives


def keep(data):
    return data


def test_positives_of_the_data_reach_the_loss():
    data = gcl.datasets.load("karate")
    recipe = gcl.methods.grace(data, hidden=8)
    plain = gcl.methods.TwoView(recipe.encoder, (keep, keep), CWCL(0.5))
    soft = gcl.methods.TwoView(
        recipe.encoder, (keep, keep), CWCL(0.5), prepare=AddSoftPositives(3, attr="x")
    )
    data.x = torch.randn(34, 34, generator=torch.manual_seed(0))
    prepared = soft.prepare(data)
    z = soft.embed(prepared)
    expected = CWCL(0.5)(z, z, prepared.pos_edge_index, prepared.pos_weight)
    assert torch.isclose(soft(prepared), expected)
    assert not torch.isclose(plain(data), expected)


def test_a_loss_without_positives_gets_none():
    data = AddSoftPositives(3, attr="x")(gcl.datasets.load("karate"))
    recipe = gcl.methods.grace(data, hidden=8)
    for loss in (gcl.losses.DCL(0.5), gcl.losses.Sigmoid(), lambda h1, h2: (h1 - h2).sum()):
        assert gcl.methods.TwoView(recipe.encoder, (keep, keep), loss)(data).isfinite()
