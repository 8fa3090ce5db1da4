"""GCA: rates that spare what is central."""

import pytest
import torch

import gcl
from tests.methods.plain_gcn import karate_with_features


@pytest.fixture
def data():
    return karate_with_features()


@pytest.mark.parametrize("centrality", ["degree", "pagerank", "eigenvector"])
def test_gca_spares_what_is_central(data, centrality):
    method = gcl.methods.gca(
        data, hidden=8, drop_edge=(0.4, 0), mask_feature=(0, 0.4), centrality=centrality,
        undirected=False,
    )  # fmt: skip
    prepared = method.prepare(data)
    phi, kept = prepared.edge_importance, torch.zeros(data.num_edges)
    for _ in range(300):
        kept += method.views[0](prepared).edge_weight
    rates = (0.4 * (phi.max() - phi) / (phi.max() - phi.mean())).clamp(0, 0.7)
    assert (kept / 300 - (1 - rates)).abs().max() < 4 * 0.5 / 300**0.5
    assert rates.std() > 0.05
    assert torch.equal(method.views[1](prepared).edge_index, data.edge_index)
    assert method(prepared).isfinite()


def test_without_augmentation_it_is_grace(data):
    options = {"hidden": 8, "proj": 6, "tau": 0.3, "act": "relu"}
    none = {"drop_edge": (0, 0), "mask_feature": (0, 0)}
    losses = []
    for recipe in (gcl.methods.gca, gcl.methods.grace):
        torch.manual_seed(0)
        method = recipe(data, **options, **none)
        losses.append(method(method.prepare(data)))
    assert torch.equal(*losses)


def test_features_of_central_nodes_are_spared(data):
    # A column that the most central node alone uses, and one that the least central does.
    degree = torch.bincount(data.edge_index[1])
    data.x = torch.zeros(34, 3)
    data.x[degree.argmax(), 0] = data.x[degree.argmin(), 1] = 1
    data.x[:, 2] = 1
    method = gcl.methods.gca(
        data, hidden=8, drop_edge=(0, 0), mask_feature=(0.5, 0.5), p_max=0.9, normalize=False
    )
    prepared = method.prepare(data)
    masked = torch.zeros(3)
    for _ in range(200):
        masked += (method.views[0](prepared).x.to_dense() == 0).all(0)
    assert masked[1] > masked[0] + 40
    assert masked.max() / 200 < 0.9 + 4 * (0.9 * 0.1 / 200) ** 0.5


def test_p_max_and_centrality_have_their_ranges(data):
    with pytest.raises(ValueError, match="p_max"):
        gcl.methods.gca(data, p_max=1.2)
    with pytest.raises(ValueError, match="must be one of"):
        gcl.methods.gca(data, centrality="closeness")
