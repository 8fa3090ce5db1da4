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
