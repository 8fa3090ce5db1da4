"""Reconstruction against the mean squared error."""

import torch
from torch_geometric.nn import GCN

import gcl
from gcl.methods.pretraining import Reconstruction
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.testing import check_method


def test_contract_and_value():
    data = gcl.datasets.karate()
    for encoder in (MLPEncoder(34, (8,), 4), GCN(34, 4, 2)):
        method = Reconstruction(encoder, MLPEncoder(4, (8,), 34))
        check_method(method, data)
        found = method.decoder(method.embed(data))
        assert torch.allclose(method(data), ((found - data.x) ** 2).mean())
    sparse = data.clone()
    sparse.x = data.x.to_sparse_csr()
    method = Reconstruction(MLPEncoder(34, (8,), 4), MLPEncoder(4, (8,), 34))
    assert torch.allclose(method(sparse), method(data))
