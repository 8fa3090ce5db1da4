"""Infomax against its formula in float64, with one and two sides, summaries and powers."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, HeteroData
from torch_geometric.nn import GCN, GIN

import gcl
from gcl.augment import EdgeDropping, FeatureShuffling
from gcl.methods.infomax import BilinearScore, Infomax, SumScore, sigmoid_mean


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 5, generator=torch.Generator().manual_seed(0))
    return data


def swap(data):
    """A corruption without chance: the rows in reverse."""
    data.x = data.x.flip(0)
    return data


def test_loss_is_cross_entropy_of_node_and_summary(data):
    method = Infomax(GCN(5, 6, 1, 4), swap, BilinearScore(4)).double()
    nn.init.constant_(method.score.bias, 0.3)
    data.x = data.x.double()
    z = method.encoder(data.x, data.edge_index)
    bad = method.encoder(data.x.flip(0), data.edge_index)
    s = 1 / (1 + (-z.mean(0)).exp())
    total = 0.0
    for i in range(34):
        total -= torch.log(torch.sigmoid(z[i] @ method.score.weight @ s + 0.3))
        total -= torch.log(1 - torch.sigmoid(bad[i] @ method.score.weight @ s + 0.3))
    assert torch.isclose(method(data), total / 68, rtol=1e-12)
    assert torch.equal(method.embed(data), z)


def test_two_sides_meet_the_summary_of_the_other(data):
    first, second = GCN(5, 6, 1, 4), GCN(5, 6, 1, 4)
    method = Infomax(first, swap, BilinearScore(4), across=second).double()
    data.x = data.x.double()
    with pytest.raises(ValueError, match="no across_edge_index"):
        method(data)
    data.across_edge_index = torch.tensor([[0, 5, 9], [5, 9, 33]])
    data.across_edge_weight = torch.tensor([0.5, 2.0, 1.0]).double()
    edges = {0: (data.edge_index, None), 1: (data.across_edge_index, data.across_edge_weight)}
    z = [e(data.x, *edges[i]) for i, e in enumerate((first, second))]
    bad = [e(data.x.flip(0), *edges[i]) for i, e in enumerate((first, second))]
    terms = []
    for side in (0, 1):
        summary = method.score.weight @ z[1 - side].mean(0).sigmoid()
        terms += [-torch.log(torch.sigmoid(z[side] @ summary))]
        terms += [-torch.log(torch.sigmoid(-bad[side] @ summary))]
    assert torch.isclose(method(data), torch.cat(terms).mean(), rtol=1e-12)
    assert torch.allclose(method.embed(data), z[0] + z[1])


def test_graphs_of_a_batch_have_summaries_of_their_own(data):
    other = data.clone()
    other.x = torch.rand(34, 5, generator=torch.Generator().manual_seed(1))
    method = Infomax(GIN(5, 8, 1), swap, BilinearScore(8))
    # Reversed rows would cross the graphs of a batch; corrupt each before.
    method.corrupt = lambda batch: Batch.from_data_list([swap(g) for g in batch.to_data_list()])
    both = method(Batch.from_data_list([data, other]))
    method.corrupt = swap
    assert torch.isclose(both, (method(data.clone()) + method(other.clone())) / 2, rtol=1e-5)


def test_corruption_comes_after_the_view(data):
    seen = []

    def view(data):
        data.x = data.x * 2
        return data

    def corrupt(data):
        seen.append(data.x)
        return data

    before = data.x.clone()
    Infomax(GCN(5, 4, 1), corrupt, SumScore(4), readout=None, view=view)(data)
    assert torch.equal(seen[0], 2 * before)
    assert torch.equal(data.x, before)


@pytest.mark.parametrize("layers", [1, 3])
def test_sum_score_is_the_sum_over_the_head(layers):
    score = SumScore(6, layers).double()
    z = torch.randn(9, 6, dtype=torch.float64, requires_grad=True)
    plain = score.layers(z).sum(1)
    assert torch.allclose(score(z), plain)
    weight = score.layers[-1].weight
    for ours, theirs in zip(
        torch.autograd.grad(score(z).square().sum(), (z, weight)),
        torch.autograd.grad(plain.square().sum(), (z, weight)),
        strict=True,
    ):
        assert torch.allclose(ours, theirs)


@pytest.mark.parametrize("hops", [0, 1, 4])
def test_embedding_adds_powers_of_the_adjacency(data, hops):
    method = Infomax(GCN(5, 6, 1, 4), swap, SumScore(4), readout=None, hops=hops)
    z = method.encoder(data.x, data.edge_index)
    a = torch.zeros(34, 34, dtype=torch.float64)
    a[data.edge_index[1], data.edge_index[0]] = 1
    a += torch.eye(34)
    a = a / a.sum(1).sqrt() / a.sum(1, keepdim=True).sqrt()
    expected = z.double() + torch.linalg.matrix_power(a, hops) @ z.double() if hops else z.double()
    assert torch.allclose(method.embed(data).double(), expected, atol=1e-6)


def test_seed_nodes_alone_are_scored(data):
    method = Infomax(GCN(5, 4, 1), swap, SumScore(4), readout=None)
    data.input_id, data.batch_size = torch.tensor([3, 7]), 2
    z = method.encoder(data.x, data.edge_index)[:2]
    bad = method.encoder(data.x.flip(0), data.edge_index)[:2]
    soft = nn.functional.softplus
    expected = (soft(-method.score(z)) + soft(method.score(bad))).mean() / 2
    assert torch.isclose(method(data), expected)
    assert method.embed(data).shape == (2, 4)


def test_what_does_not_fit_is_refused(data):
    with pytest.raises(ValueError, match="hops must be at least 0"):
        Infomax(GCN(5, 4, 1), swap, SumScore(4), hops=-1)
    with pytest.raises(ValueError, match="give a readout"):
        Infomax(GCN(5, 4, 1), swap, BilinearScore(4), readout=None)(data)
    with pytest.raises(TypeError, match="one node type"):
        Infomax(GCN(5, 4, 1), swap, SumScore(4), readout=None).embed(HeteroData())
    with pytest.raises(ValueError, match="num_layers must be at least 1"):
        SumScore(4, 0)
    with pytest.raises(TypeError, match="dim must be a whole number"):
        BilinearScore(2.5)


def test_training_tells_the_groups_apart_and_resumes_exactly(data, tmp_path):
    saved = tmp_path / "run.safetensors"

    def run(epochs, resume=None):
        torch.manual_seed(0)
        method = Infomax(
            gcl.nn.GCNEncoder(5, 8), FeatureShuffling(), BilinearScore(8), view=EdgeDropping(0.1)
        )
        state = gcl.fit(
            method, data, epochs=epochs, lr=0.02, resume=resume,
            callbacks=[gcl.callbacks.Checkpoint(saved)],
        )  # fmt: skip
        return method, state

    whole, state = run(40)
    assert state.history[-1]["loss"] < state.history[0]["loss"] - 0.03
    run(20)
    again, _ = run(40, resume=saved)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_prints_what_it_is(data):
    shown = repr(Infomax(GCN(5, 4, 1), FeatureShuffling(), BilinearScore(4), hops=2))
    for part in ("FeatureShuffling()", "sigmoid_mean", "(hops): 2", "BilinearScore"):
        assert part in shown
    assert sigmoid_mean(torch.ones(2, 3), torch.zeros(2).long(), 1).shape == (1, 3)


def test_helpers_stay_out_of_scores_and_summaries(data):
    def with_strangers(data):
        data.x = torch.cat([data.x, torch.full((4, 5), 7.0)])
        data.slow_node_mask = torch.arange(38) >= 34
        return data

    def swap_nodes(data):
        data.x = torch.cat([data.x[:34].flip(0), data.x[34:]])
        return data

    method = Infomax(GCN(5, 6, 1, 4), swap_nodes, BilinearScore(4))
    helped = Infomax(method.encoder, swap_nodes, method.score, view=with_strangers)
    assert torch.isclose(method(data), helped(data))
    batch = Batch.from_data_list([data, data])
    with_batch = Infomax(method.encoder, lambda d: d, method.score, view=strangers_in_batch)
    assert torch.isclose(
        with_batch(batch), Infomax(method.encoder, lambda d: d, method.score)(batch)
    )


def strangers_in_batch(data):
    data.x = torch.cat([data.x, torch.full((4, 5), 7.0)])
    data.slow_node_mask = torch.arange(72) >= 68
    return data
