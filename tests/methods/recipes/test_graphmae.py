"""GraphMAE: its networks, and that it learns to tell features from neighbours."""

import pytest
import torch
from torch_geometric.nn import GAT

import gcl
from gcl.methods.recipes.graphmae import graphmae
from gcl.testing import check_method


def test_networks():
    data = gcl.datasets.load("karate")
    method = graphmae(data, hidden=16, gnn="gat", heads=4)
    assert isinstance(method.encoder, GAT)
    assert method.encoder.convs[0].heads == 4
    assert (method.encoder.out_channels, method.decoder.out_channels) == (16, 34)
    check_method(method, data)
    method = graphmae(data, hidden=34, num_layers=3)
    assert [len(after) for after in method.encoder.afters] == [1, 1, 1]
    assert [len(after) for after in method.decoder.afters] == [0]
    with pytest.raises(ValueError, match="graphmae: gnn must be one of 'gcn', 'gat', got 'gin'"):
        graphmae(data, gnn="gin")


def test_features_of_an_sbm_are_told_from_neighbours():
    data = gcl.datasets.sbm(300, 3, degree=12, homophily=1.0, noise=1.0, num_features=16)
    torch.manual_seed(0)
    method = graphmae(data, hidden=32, normalize=False, gamma=1.0, dropout=0.0)
    state = gcl.fit(method, data, epochs=60, lr=1e-2)
    # The mean of a class has a cosine of about 0.7 with its members.
    assert state.history[0]["loss"] > 0.8
    assert state.loss < 0.4
