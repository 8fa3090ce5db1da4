"""Graph Barlow Twins: its encoder written with PyG's layers."""

import pytest
import torch
from torch.nn.functional import prelu

import gcl
from tests.methods.plain_gcn import karate_with_features, pyg_gcn


@pytest.fixture
def data():
    return karate_with_features()


def test_gbt_encoder_is_norm_and_prelu_after_the_first_layer_only(data):
    method = gcl.methods.gbt(data, hidden=8).eval()
    norm, act = method.encoder.afters[0]
    assert norm.module.momentum == 0.01
    assert len(method.encoder.afters[1]) == 0
    prepared = method.prepare(data)
    expected = pyg_gcn(
        method.encoder,
        prepared.x,
        data.edge_index,
        [lambda z: prelu(z / (1 + 1e-5) ** 0.5, act.weight), lambda z: z],
    )
    assert torch.allclose(method.embed(prepared), expected, atol=1e-5)
