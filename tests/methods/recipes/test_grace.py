"""GRACE against the paper written plainly with PyG's layers."""

import pytest
import torch
from torch.nn.functional import elu, normalize

import gcl
from tests.methods.plain_gcn import karate_with_features, pyg_gcn


@pytest.fixture
def data():
    return karate_with_features()


def test_grace_without_augmentation_is_the_papers_loss(data):
    method = gcl.methods.grace(
        data, hidden=8, proj=6, tau=0.5, drop_edge=(0, 0), mask_feature=(0, 0)
    )
    x = data.x / data.x.sum(1, keepdim=True)
    z = pyg_gcn(method.encoder, x, data.edge_index, [torch.relu, torch.relu])
    first, second = method.projector.lins
    h = normalize(second(elu(first(z))))
    # Both views are the same, so the 2(N-1) negatives come in equal pairs.
    similar = (h @ h.t() / 0.5).exp()
    denominator = 2 * similar.sum(1) - similar.diagonal()
    expected = -(similar.diagonal() / denominator).log().mean()
    prepared = method.prepare(data)
    assert torch.isclose(method(prepared), expected, rtol=1e-5)
    assert torch.allclose(method.embed(prepared), z, atol=1e-6)


def test_rates_reach_the_views(data):
    method = gcl.methods.grace(data, drop_edge=(0.1, 0.2), mask_feature=(0.3, 0.4))
    shown = repr(method)
    for part in ("EdgeDropping(p=0.1", "EdgeDropping(p=0.2", "FeatureMasking(p=0.3", "tau=0.4"):
        assert part in shown


def test_widths_and_the_direction_of_edges(data):
    method = gcl.methods.grace(data, hidden=8, proj=6, num_layers=3, drop_edge=(0.5, 0.5))
    assert [tuple(w.shape) for w in method.encoder.weights] == [(40, 16), (16, 16), (16, 8)]
    first, second = method.projector.lins
    assert (first.out_channels, second.out_channels) == (6, 8)
    together, apart = (
        gcl.methods.grace(data, drop_edge=(0.5, 0.5), undirected=undirected).views[0]
        for undirected in (True, False)
    )
    source, target = data.edge_index
    back = torch.stack([target, source])
    order = [
        (data.edge_index == back[:, e : e + 1]).all(0).nonzero().item() for e in range(len(source))
    ]
    weight = together(data).edge_weight
    assert torch.equal(weight, weight[order])
    weight = apart(data).edge_weight
    assert not torch.equal(weight, weight[order])


def test_rows_are_divided_by_their_sums_or_left(data):
    for divided, sums in ((True, torch.ones(34)), (False, data.x.sum(1))):
        prepared = gcl.methods.grace(data, hidden=4, normalize=divided).prepare(data)
        assert torch.allclose(prepared.x.sum(1), sums)


def test_a_batch_norm_stands_before_every_activation_of_encoder_and_head(data):
    method = gcl.methods.grace(
        data, hidden=8, proj=3, norm="batch", drop_edge=(0, 0), mask_feature=(0, 0)
    )
    x = data.x / data.x.sum(1, keepdim=True)
    normed = [lambda z: torch.relu(standard(z))] * 2
    z = pyg_gcn(method.encoder, x, data.edge_index, normed)
    first, second = method.projector.lins
    h = normalize(second(elu(standard(first(z)))))
    similar = (h @ h.t() / 0.4).exp()
    expected = -(similar.diagonal() / (2 * similar.sum(1) - similar.diagonal())).log().mean()
    assert torch.isclose(method(method.prepare(data)), expected, rtol=1e-4)


def standard(z):
    """A batch norm of untrained weights, written out."""
    return (z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-5).sqrt()
