"""Weights of a GCN in batches, against PyG's normalisation of the whole graph."""

import copy

import pytest
import torch
from torch_geometric.nn import GCN
from torch_geometric.transforms import GCNNorm

import gcl
from gcl.loader import NeighborBatches


@pytest.fixture
def data():
    return gcl.datasets.sbm(200, 3, degree=8, num_features=6)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = GCN(6, 8, num_layers=2, normalize=False, add_self_loops=False).eval()
    return encoder


@torch.no_grad()
@pytest.mark.parametrize("weighted", [False, True, "loops"])
def test_all_neighbours_give_the_rows_of_the_whole_graph(data, encoder, weighted):
    if weighted == "loops":
        own = torch.arange(0, 200, 7)
        data.edge_index = torch.cat([data.edge_index, torch.stack([own, own])], 1)
    if weighted:
        data.edge_weight = 5 * torch.rand(data.num_edges)
    whole = GCNNorm()(copy.copy(data))
    expected = encoder(whole.x, whole.edge_index, whole.edge_weight)
    for batch in NeighborBatches(data, [-1, -1], batch_size=64, normalize="gcn"):
        assert "degree" not in batch
        assert "e_id" not in batch
        found = encoder(batch.x, batch.edge_index, batch.edge_weight)[: batch.batch_size]
        torch.testing.assert_close(found, expected[batch.n_id[: batch.batch_size]])


def test_sampled_rows_are_right_on_average(data):
    row = torch.zeros(200)
    whole = GCNNorm()(copy.copy(data))
    dense = torch.zeros(200, 200).index_put_((whole.edge_index[1], whole.edge_index[0]),
                                             whole.edge_weight)  # fmt: skip
    loader = NeighborBatches(data, [3], batch_size=1, input_nodes=[7], normalize="gcn")
    for _ in range(3000):
        (batch,) = loader
        at_seed = batch.edge_index[1] == 0
        row.index_add_(0, batch.n_id[batch.edge_index[0][at_seed]], batch.edge_weight[at_seed])
    row /= 3000
    assert row[7] == pytest.approx(dense[7, 7].item(), rel=1e-4)
    torch.testing.assert_close(row, dense[7], rtol=0.2, atol=1e-6)


def test_own_loops_become_the_loop_of_one(data):
    loops = torch.tensor([[0, 0], [0, 0]])
    data.edge_index = torch.cat([data.edge_index, loops], 1)
    batch = NeighborBatches(data, [-1], batch_size=200, shuffle=False, normalize="gcn").one(0, 0)
    loops = batch.edge_index[0] == batch.edge_index[1]
    assert int(loops.sum()) == 200
    degree = int((data.edge_index[1] == 0).sum()) - 2
    assert batch.edge_weight[loops][0] == pytest.approx(1 / (degree + 1))


def test_a_method_trains_on_such_batches(data):
    encoder = GCN(6, 8, num_layers=2, normalize=False, add_self_loops=False)
    encoder.out_channels = 8
    method = gcl.methods.grace(data, encoder=encoder, normalize=False)
    loader = NeighborBatches(data, [5, 5], batch_size=50, normalize="gcn")
    assert gcl.fit(method, loader, epochs=1).step == 4


def test_what_does_not_go_together_is_refused(data):
    with pytest.raises(ValueError, match="normalize must be one of 'gcn'"):
        NeighborBatches(data, [2], normalize="sym")
    data.edge_attr = torch.ones(data.num_edges, 2)
    with pytest.raises(ValueError, match="adds loops, for which the graph has no edge_attr"):
        NeighborBatches(data, [2], normalize="gcn")
