"""AddDiffusion against the dense inverse."""

import pytest
import torch
from torch_geometric.data import Data, HeteroData

import gcl
from gcl.transforms.add_diffusion import AddDiffusion


def test_largest_weights_of_the_dense_inverse_stand_beside_the_edges():
    data = gcl.datasets.karate()
    before = data.clone()
    found = AddDiffusion(alpha=0.3, topk=6)(data.clone())
    a = torch.eye(34, dtype=torch.float64)
    a[data.edge_index[1], data.edge_index[0]] = 1
    s = a / a.sum(1).sqrt() / a.sum(1, keepdim=True).sqrt()
    pi = 0.3 * torch.linalg.inv(torch.eye(34, dtype=torch.float64) - 0.7 * s)
    source, target = found.across_edge_index
    assert torch.allclose(found.across_edge_weight.double(), pi[target, source], atol=1e-6)
    assert torch.bincount(target).tolist() == [6] * 34
    smallest = torch.full((34,), 2.0).scatter_reduce(0, target, found.across_edge_weight, "amin")
    assert torch.allclose(smallest.double(), pi.topk(6, dim=1).values[:, -1], atol=1e-6)
    assert torch.equal(found.edge_index, before.edge_index)
    assert torch.equal(found.x.to_dense(), before.x.to_dense())


def test_prints_and_checks_its_numbers():
    assert repr(AddDiffusion(0.1, 5)) == "AddDiffusion(alpha=0.1, topk=5)"
    with pytest.raises(ValueError, match="alpha must lie"):
        AddDiffusion(0.0)
    with pytest.raises(ValueError, match="topk"):
        AddDiffusion(topk=0)


def test_features_may_be_one_number_a_node_and_types_are_refused():
    data = Data(x=torch.arange(4.0), edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]))
    wide = Data(x=data.x[:, None], edge_index=data.edge_index)
    found, expected = AddDiffusion(topk=2)(data), AddDiffusion(topk=2)(wide)
    assert torch.equal(found.across_edge_index, expected.across_edge_index)
    assert torch.equal(found.x, data.x)
    with pytest.raises(TypeError, match=r"^AddDiffusion: expected a graph of one node type"):
        AddDiffusion()(HeteroData())
