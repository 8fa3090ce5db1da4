"""SUGRL: its numbers reach the network, the triplets and the loss."""

import torch

import gcl
from gcl.losses import SUGRL
from gcl.methods.recipes.sugrl import sugrl


def test_options_reach_their_places():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7)
    method = sugrl(
        data, hidden=(9, 8), dim=4, m1=0.5, m2=0.6, w1=3.0, w2=4.0, w3=0.5, num_negatives=2,
        num_neighbors=7, input_dropout=0.1, dropout=0.4,
    )  # fmt: skip
    loss = method.objective
    assert isinstance(loss, SUGRL)
    assert (loss.m1, loss.m2, loss.w1, loss.w2, loss.w3) == (0.5, 0.6, 3.0, 4.0, 0.5)
    assert (loss.num_negatives, method.num_neighbors) == (2, 7)
    assert (method.input_dropout, method.dropout) == (0.1, 0.4)
    assert method.encoder.widths == (7, 9, 8, 4)
    assert not method.encoder.layers[0].bias.any()
    assert sugrl(data, hidden=(), dim=4).encoder.widths == (7, 4)
