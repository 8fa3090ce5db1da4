"""Graph Barlow Twins: its encoder written with PyG's layers."""

import numpy as np
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


def test_the_loss_is_the_cross_correlation_of_both_views(data):
    method = gcl.methods.gbt(data, hidden=8, drop_edge=0.0, mask_feature=0.0)
    prepared = method.prepare(data)
    z = method.embed(prepared).detach().double().numpy()
    correlation = np.corrcoef(z.T)
    off = correlation - np.diag(correlation.diagonal())
    for lam, weight in ((None, 1 / 8), (0.3, 0.3)):
        method.objective.lam = lam
        # Of equal views the diagonal is 1; lam is 1/d unless given.
        assert method(prepared).item() == pytest.approx(weight * (off**2).sum(), rel=1e-3)
    assert gcl.methods.gbt(data, hidden=8, lam=0.3).objective.lam == 0.3


def test_both_views_have_the_same_rates_and_the_first_layer_is_twice_as_wide(data):
    method = gcl.methods.gbt(data, hidden=8, drop_edge=0.35, mask_feature=0.15)
    assert method.views[0] is method.views[1]
    assert [tuple(w.shape) for w in method.encoder.weights] == [(40, 16), (16, 8)]
    assert method.projector is None
    prepared = method.prepare(data)
    kept = torch.stack([method.views[0](prepared).edge_weight for _ in range(200)]).mean()
    assert kept.item() == pytest.approx(0.65, abs=0.03)


def test_the_norm_can_be_another_one_or_none(data):
    plain = gcl.methods.gbt(data, hidden=8, norm=None)
    prepared = plain.prepare(data)
    (act,) = plain.encoder.afters[0]
    acts = [lambda z: prelu(z, act.weight), lambda z: z]
    expected = pyg_gcn(plain.encoder, prepared.x, data.edge_index, acts)
    assert torch.allclose(plain.embed(prepared), expected, atol=1e-5)
    layer = gcl.methods.gbt(data, hidden=8, norm="layer").encoder.afters[0][0]
    assert type(layer).__name__ == "LayerNorm"
