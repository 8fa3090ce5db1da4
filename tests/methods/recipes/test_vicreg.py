"""VICReg: its encoder and head written with PyG's layers, its loss with NumPy."""

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm, prelu, relu

import gcl
from tests.methods.plain_gcn import karate_with_features, pyg_gcn


@pytest.fixture
def data():
    return karate_with_features()


def test_every_layer_has_a_batch_norm_and_the_head_has_one(data):
    method = gcl.methods.vicreg(data, hidden=8, proj=6).eval()
    prepared = method.prepare(data)
    for norm, _ in method.encoder.afters:
        assert norm.module.momentum == 0.01
    shrunk = (1 + 1e-5) ** 0.5  # running variances of 1
    acts = [lambda z, act=act: prelu(z / shrunk, act.weight) for _, act in method.encoder.afters]
    z = pyg_gcn(method.encoder, prepared.x, data.edge_index, acts)
    torch.testing.assert_close(method.embed(prepared), z, atol=1e-5, rtol=1e-5)
    first, second = method.projector.lins
    assert [tuple(lin.weight.shape) for lin in (first, second)] == [(6, 8), (6, 6)]
    h = second(relu(first(z) / shrunk))
    torch.testing.assert_close(method.projector(z), h, atol=1e-5, rtol=1e-5)


def test_the_loss_is_agreement_variance_and_covariance_of_the_projections(data):
    still = {"drop_edge": 0.0, "mask_feature": 0.0}
    method = gcl.methods.vicreg(data, hidden=8, proj=6, sim=9.0, var=2.0, cov=0.7, **still)
    prepared = method.prepare(data)
    h = method.project_views(prepared)[0].detach().double().numpy()
    covariance = np.cov(h.T)
    variance = covariance.diagonal()
    short = np.maximum(1 - np.sqrt(variance + 1e-4), 0).mean()
    off = covariance - np.diag(variance)
    expected = 2.0 * short + 0.7 * 2 * (off**2).sum() / 6  # equal views agree
    assert short > 0.01
    assert method(prepared).item() == pytest.approx(expected, rel=1e-4)


def test_both_views_have_the_same_rates_and_directions_go_together(data):
    method = gcl.methods.vicreg(data, hidden=8, drop_edge=0.35, mask_feature=0.15)
    assert method.views[0] is method.views[1]
    prepared = method.prepare(data)
    kept = torch.stack([method.views[0](prepared).edge_weight for _ in range(200)]).mean()
    assert kept.item() == pytest.approx(0.65, abs=0.03)
    assert gcl.methods.vicreg(data, norm="layer").encoder.afters[1][0].__class__.__name__ == (
        "LayerNorm"
    )


def test_statistics_of_the_head_are_those_of_a_view(data):
    method = gcl.methods.vicreg(data, hidden=8, proj=6)
    z = torch.randn(34, 8)
    first, second = method.projector.lins
    h = second(relu(batch_norm(first(z), None, None, training=True)))
    torch.testing.assert_close(method.train().projector(z), h, atol=1e-5, rtol=1e-5)


def test_refuses(data):
    with pytest.raises(ValueError, match="vicreg: proj must be at least 1, got 0"):
        gcl.methods.vicreg(data, proj=0)
    with pytest.raises(ValueError, match="vicreg: norm_momentum must lie in"):
        gcl.methods.vicreg(data, norm_momentum=2.0)
    with pytest.raises(ValueError, match="VICReg: cov must be"):
        gcl.methods.vicreg(data, cov=-1.0)
