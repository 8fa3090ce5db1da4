"""NeighborTriplets: anchors and positives by hand, drawn neighbours, the embedding."""

import pytest
import torch

import gcl
from gcl.losses import SUGRL
from gcl.methods.neighbor_triplets import NeighborTriplets, draw_neighbors
from gcl.nn import MLPEncoder
from gcl.transforms import ToSparseFeatures


class Record(torch.nn.Module):
    def forward(self, anchor, positive1, positive2):
        self.got = anchor, positive1, positive2
        return anchor.sum()


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0))
    return data


def dense(data):
    a = torch.eye(34)
    a[data.edge_index[1], data.edge_index[0]] = 1
    return a / a.sum(1).sqrt() / a.sum(1, keepdim=True).sqrt()


def test_anchor_and_positives_are_what_they_should_be(data):
    method = NeighborTriplets(MLPEncoder(7, (6,), 5), Record(), input_dropout=0, dropout=0)
    torch.manual_seed(2)
    method(data)
    anchor, around, sample = method.objective.got
    h = method.encoder(data.x)
    torch.manual_seed(2)
    drawn = draw_neighbors(data.edge_index, 34, 5)
    assert torch.allclose(anchor, h)
    assert torch.allclose(around, dense(data) @ h, atol=1e-6)
    assert torch.allclose(sample, h[drawn].mean(1), atol=1e-6)
    assert torch.allclose(method.embed(data), dense(data) @ h, atol=1e-6)


def test_dropouts_act_in_training_only_and_on_their_own_place(data):
    method = NeighborTriplets(MLPEncoder(7, (6,), 5), Record(), input_dropout=0, dropout=0.5)
    method(data)
    anchor, around, _ = method.objective.got
    assert not torch.allclose(around, dense(data) @ anchor, atol=1e-3)
    method.eval()
    method(data)
    assert torch.allclose(method.objective.got[1], dense(data) @ anchor, atol=1e-6)
    method = NeighborTriplets(MLPEncoder(7, (6,), 5), Record(), input_dropout=0.5, dropout=0)
    method(data)
    assert not torch.allclose(method.objective.got[0], method.encoder(data.x), atol=1e-3)


def test_sparse_features_lose_entries_at_the_same_rate_and_scale():
    data = gcl.datasets.karate()
    data.x = (torch.rand(34, 400, generator=torch.Generator().manual_seed(0)) < 0.05).float()
    sparse = ToSparseFeatures()(data.clone())
    method = NeighborTriplets(MLPEncoder(400, (), 3), Record(), input_dropout=0.25)
    with torch.no_grad():
        for p in method.encoder.parameters():
            p.zero_()
        method.encoder.layers[0].weight.fill_(1.0)  # row sums
    total = torch.zeros(34)
    for _ in range(200):
        method(sparse)
        total += method.objective.got[0][:, 0].detach()
    expected = data.x.sum(1)
    error = (expected / 3 / 200).sqrt()  # of a mean of n / (1 - p) binomials
    assert ((total / 200 - expected).abs() < 5 * error).all()


def test_neighbours_and_the_node_itself_are_drawn_evenly():
    edges = torch.tensor([[1, 2, 3, 0], [0, 0, 0, 1]])
    torch.manual_seed(0)
    drawn = draw_neighbors(edges, 5, 4000)
    for node, among in enumerate([[0, 1, 2, 3], [0, 1], [2], [3], [4]]):
        counts = torch.bincount(drawn[node], minlength=5)
        assert counts.nonzero().flatten().tolist() == among
        share = 1 / len(among)
        error = (4000 * share * (1 - share)) ** 0.5
        assert (counts[among] - 4000 * share).abs().max() <= 5 * error
    assert draw_neighbors(edges[:, :0], 2, 2).tolist() == [[0, 0], [1, 1]]


def test_edges_of_weight_zero_are_none(data):
    kept = torch.rand(data.num_edges) < 0.3
    weighted = data.clone()
    weighted.edge_weight = kept.float()
    data.edge_index = data.edge_index[:, kept]
    method = NeighborTriplets(MLPEncoder(7, (6,), 5), Record(), input_dropout=0, dropout=0)
    got = []
    for graph in (weighted, data):
        torch.manual_seed(2)
        method(graph)
        got.append(method.objective.got)
    for mine, theirs in zip(*got, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_seed_nodes_alone_are_anchors(data):
    method = NeighborTriplets(MLPEncoder(7, (6,), 5), Record())
    data.input_id, data.batch_size = torch.tensor([3, 7]), 2
    method(data)
    assert [len(z) for z in method.objective.got] == [2, 2, 2]
    assert method.embed(data).shape == (2, 5)


def test_what_does_not_fit_is_refused():
    encoder = MLPEncoder(7, (6,), 5)
    with pytest.raises(ValueError, match=r"input_dropout must lie in \[0, 1\)"):
        NeighborTriplets(encoder, SUGRL(), input_dropout=1.0)
    with pytest.raises(ValueError, match="num_neighbors must be at least 1"):
        NeighborTriplets(encoder, SUGRL(), num_neighbors=0)
