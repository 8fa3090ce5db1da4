"""What node-level recipes share: rates in pairs, other encoders, the two forms of a view."""

import pytest
import torch
from torch_geometric.nn import GIN

import gcl
from tests.methods.plain_gcn import karate_with_features


@pytest.fixture
def data():
    return karate_with_features()


@pytest.mark.parametrize("name", ["grace", "gca", "csgcl"])
def test_rates_come_in_pairs_and_encoders_may_be_others(data, name):
    recipe = getattr(gcl.methods, name)
    with pytest.raises(ValueError, match=f"{name}: drop_edge must be two rates, one a view"):
        recipe(data, drop_edge=0.3)
    method = recipe(data, encoder=GIN(40, 8, 2))
    prepared = method.prepare(data)
    assert prepared.x.layout == torch.strided
    assert method.views[1](prepared).num_edges < data.num_edges  # no weights for GIN to ignore
    method(prepared).backward()


def test_masked_weights_and_dropped_edges_are_the_same_view(data):
    encoder = gcl.nn.GCNEncoder(40, 8)
    torch.manual_seed(0)
    drop = gcl.augment.EdgeDropping(0.4)(data)
    torch.manual_seed(0)
    mask = gcl.augment.EdgeDropping(0.4, as_weight=True)(data)
    a = encoder(drop.x, drop.edge_index)
    b = encoder(mask.x, mask.edge_index, mask.edge_weight)
    assert drop.num_edges < data.num_edges == mask.num_edges
    assert torch.allclose(a, b, atol=1e-6)
