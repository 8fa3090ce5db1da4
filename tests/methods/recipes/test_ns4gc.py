"""NS4GC: its encoder, its neighbours, and the clusters it is made for."""

import torch
from torch_geometric.nn import GCN

import gcl
from gcl.methods.recipes.ns4gc import ns4gc


def test_the_neighbours_are_those_of_the_graph_not_of_the_views():
    data = gcl.datasets.load("karate")
    method = ns4gc(data, hidden=16, dim=8, drop_edge=(1.0, 1.0), mask_feature=(0.0, 0.0))
    prepared = method.prepare(data)
    u = method.encoder(data.x, data.edge_index[:, :0])
    expected = gcl.losses.NS4GC()(u, u, data.edge_index)
    torch.testing.assert_close(method(prepared), expected)
    assert abs(method(prepared) - gcl.losses.NS4GC()(u, u)) > 1e-3


def test_encoder_is_the_authors():
    """SELU between the layers only, no norm, biases that start at zero, rows of length 1."""
    data = gcl.datasets.load("karate")
    method = ns4gc(data, hidden=16, dim=8).eval()
    mine = method.encoder.encoder
    other = GCN(34, 16, 2, out_channels=8, act="selu")
    with torch.no_grad():
        for conv, weight, bias in zip(other.convs, mine.weights, mine.biases, strict=True):
            assert not bias.any()
            conv.lin.weight.copy_(weight.t())
            conv.bias.copy_(bias)
    z = other(data.x, data.edge_index)
    z = z / z.norm(dim=1, keepdim=True)
    torch.testing.assert_close(method.embed(method.prepare(data)), z)


def test_clusters_of_an_sbm_are_found():
    data = gcl.datasets.sbm(300, 3, degree=8, noise=6.0)
    scores = {}
    for epochs in (0, 40):
        torch.manual_seed(0)
        method = ns4gc(data, hidden=32, dim=16)
        gcl.fit(method, data, epochs=epochs, lr=1e-2)
        found = gcl.evaluate.cluster(gcl.embed(method, data), data.y, runs=2)
        scores[epochs] = found["accuracy"]
    assert scores[40] > max(0.9, scores[0])
