"""Bootstrap against its formulas: predictions, the moving average, pairs, a trained target."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity
from torch_geometric.data import HeteroData
from torch_geometric.nn import GCN
from torch_geometric.transforms import Compose

import gcl
from gcl.augment import EdgeDropping
from gcl.methods.bootstrap import Bootstrap

keep = Compose([])


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 5, generator=torch.Generator().manual_seed(0))
    return data


def double(data):
    data.x = 2 * data.x + 1
    return data


def test_each_view_predicts_the_target_of_the_other(data):
    method = Bootstrap(GCN(5, 6, 1, 4), (keep, double), nn.Linear(4, 4), fresh_target=True)
    x = [data.x, 2 * data.x + 1]
    q = [method.predictor(method.encoder(v, data.edge_index)) for v in x]
    y = [method.target(v, data.edge_index) for v in x]
    total = sum((1 - cosine_similarity(q[v], y[1 - v])).mean() for v in (0, 1))
    assert torch.isclose(method(data), total)
    assert torch.equal(method.embed(data), method.encoder(data.x, data.edge_index))


def test_the_target_gets_no_gradient_and_one_view_predicts_itself(data):
    method = Bootstrap(GCN(5, 6, 1, 4), [keep], nn.Linear(4, 4))
    value = method(data)
    q = method.predictor(method.embed(data))
    assert torch.isclose(value, (1 - cosine_similarity(q, method.embed(data))).mean())
    value.backward()
    assert all(p.grad is None for p in method.target.parameters())
    assert all(p.grad is not None for p in method.encoder.parameters())


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_target_is_the_average_by_hand(data, schedule):
    torch.manual_seed(0)
    method = Bootstrap(
        GCN(5, 6, 1, 4), [keep], nn.Linear(4, 4), momentum=0.9, schedule=schedule, fresh_target=True
    )
    average = [p.double().clone() for p in method.target.parameters()]
    optimizer = torch.optim.SGD(method.parameters(), lr=0.5)
    for step in range(1, 6):
        optimizer.zero_grad()
        method(data).backward()
        optimizer.step()
        method.after_step(step, 5)
        m = 0.9
        if schedule == "cosine":
            m = 1 - 0.1 * (math.cos(math.pi * step / 5) + 1) / 2
        for i, p in enumerate(method.encoder.parameters()):
            average[i] = m * average[i] + (1 - m) * p.detach().double()
    for mine, theirs in zip(average, method.target.parameters(), strict=True):
        assert torch.allclose(mine.float(), theirs, atol=1e-6)
    assert method.momentum_at(5, 5) == (1.0 if schedule == "cosine" else 0.9)


class Plain(nn.Module):
    """An encoder without weights to draw anew."""

    def forward(self, x, edge_index, edge_weight=None):
        return x


def test_targets_start_as_copies_or_afresh():
    encoder = GCN(5, 6, 1, 4)
    copied = Bootstrap(encoder, [keep], nn.Linear(4, 4)).target.module
    fresh = Bootstrap(encoder, [keep], nn.Linear(4, 4), fresh_target=True).target.module
    weight = encoder.convs[0].lin.weight
    assert torch.equal(copied.convs[0].lin.weight, weight)
    assert not torch.equal(fresh.convs[0].lin.weight, weight)
    with pytest.raises(ValueError, match="set fresh_target=False"):
        Bootstrap(Plain(), [keep], nn.Linear(4, 4), fresh_target=True)


def test_pairs_take_the_place_of_own_pairs(data):
    pairs = torch.tensor([[0, 0, 3, 33], [0, 7, 2, 1]])

    def positives(z, target, graph):
        assert not z.requires_grad
        assert not target.requires_grad
        assert graph is data
        return pairs

    method = Bootstrap(
        GCN(5, 6, 1, 4), [keep], nn.Linear(4, 4), positives=positives, fresh_target=True
    )
    q = method.predictor(method.embed(data))
    y = method.target(data.x, data.edge_index)
    total = 0.0
    for i, j in pairs.t().tolist():
        total += 2 - cosine_similarity(q[i], y[j], dim=0) - cosine_similarity(q[j], y[i], dim=0)
    assert torch.isclose(method(data), total / 4)
    method(data).backward()
    assert all(p.grad is None for p in method.target.parameters())
    pairs = torch.empty(2, 0, dtype=torch.long)
    assert float(method(data).detach()) == 2.0  # nothing to predict, and no NaN


def test_a_target_with_a_loss_trains_but_not_through_the_prediction(data):
    method = Bootstrap(
        GCN(5, 6, 1, 4), [keep], nn.Linear(4, 4), target_loss=lambda y: y.square().sum()
    )
    alone = Bootstrap(method.encoder, [keep], method.predictor)
    y = method.target(data.x, data.edge_index)
    assert torch.isclose(method(data), alone(data) + y.square().sum())
    method(data).backward()
    expected = torch.autograd.grad(y.square().sum(), list(method.target.parameters()))
    for p, g in zip(method.target.parameters(), expected, strict=True):
        assert torch.allclose(p.grad, g)


def test_hops_enter_prediction_and_embedding(data):
    method = Bootstrap(GCN(5, 6, 1, 4), [keep], nn.Linear(4, 4), hops=2)
    z = method.encoder(data.x, data.edge_index)
    adjacency = gcl.nn.gcn_adjacency(data.edge_index, None, 34, torch.float32)
    online = z + adjacency @ (adjacency @ z)
    assert torch.allclose(method.embed(data), online)
    expected = (1 - cosine_similarity(method.predictor(online), z)).mean()
    assert torch.isclose(method(data), expected)


def test_seed_nodes_alone_are_predicted(data):
    method = Bootstrap(GCN(5, 4, 1), (keep, double), nn.Linear(4, 4))
    data.input_id, data.batch_size = torch.tensor([3, 7]), 2
    q = [method.predictor(method.embed(v)) for v in (data, double(data.clone()))]
    assert q[0].shape == (2, 4)
    y = [method.target(x, data.edge_index)[:2] for x in (data.x, 2 * data.x + 1)]
    total = sum((1 - cosine_similarity(q[v], y[1 - v])).mean() for v in (0, 1))
    assert torch.isclose(method(data), total)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": ()}, "one or two transforms"),
        ({"views": keep}, "one or two transforms"),
        ({"momentum": 1.5}, r"momentum must lie in \[0, 1\]"),
        ({"schedule": "linear"}, "schedule must be one of"),
        ({"hops": -1}, "hops must be at least 0"),
        ({"views": (keep, keep), "positives": lambda z, y, data: None}, "give one transform"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    options = {"encoder": GCN(5, 4, 1), "views": [keep], "predictor": nn.Linear(4, 4), **change}
    with pytest.raises(ValueError, match=message):
        Bootstrap(**options)


def test_graphs_of_several_types_and_encoders_without_weights_are_refused():
    method = Bootstrap(GCN(5, 4, 1), [keep], nn.Linear(4, 4))
    with pytest.raises(TypeError, match="one node type"):
        method.embed(HeteroData())
    with pytest.raises(TypeError, match=r"must be an nn\.Module"):
        Bootstrap(lambda x, edges, weight: x, [keep], nn.Linear(4, 4))


def test_training_resumes_exactly(data, tmp_path):
    saved = tmp_path / "run.safetensors"

    def run(epochs, resume=None):
        torch.manual_seed(0)
        view = EdgeDropping(0.3)
        method = Bootstrap(
            gcl.nn.GCNEncoder(5, 8, norm="batch"), (view, view), nn.Linear(8, 8), momentum=0.8,
            schedule="constant", fresh_target=True,
        )  # fmt: skip
        gcl.fit(
            method, data, epochs=epochs, lr=0.01, resume=resume,
            callbacks=[gcl.callbacks.Checkpoint(saved)],
        )  # fmt: skip
        return method

    whole = run(6)
    run(3)
    again = run(6, resume=saved)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def without_first(data):
    return data.subgraph(torch.arange(34) > 0)


def test_nodes_of_both_views_are_predicted(data):
    method = Bootstrap(GCN(5, 6, 1, 4), (without_first, keep), nn.Linear(4, 4))
    lesser = data.subgraph(torch.arange(34) > 0)
    z = [method.encoder(lesser.x, lesser.edge_index), method.encoder(data.x, data.edge_index)[1:]]
    total = sum((1 - cosine_similarity(method.predictor(z[v]), z[1 - v])).mean() for v in (0, 1))
    assert torch.isclose(method(data), total)
    pairs = Bootstrap(
        GCN(5, 6, 1, 4), (without_first,), nn.Linear(4, 4), positives=lambda z, y, data: None
    )
    with pytest.raises(ValueError, match="positives pair the nodes of the graph, but the view"):
        pairs(data)
