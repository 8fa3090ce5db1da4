"""Rates that differ from graph to graph, against what each graph alone would lose."""

import pytest
import torch
from torch_geometric.data import Batch, Data

from gcl.augment import EdgeDropping, FeatureNoise, NodeDropping

RATES = [0.0, 0.3, 1.0]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    n = 400
    ring = torch.arange(n)
    edges = torch.stack([ring, (ring + 1) % n])
    graph = {"x": torch.ones(n, 2), "edge_index": edges}
    return Batch.from_data_list([Data(**graph, loss=rate) for rate in RATES])


def shares(kept):
    return [1 - float(part.double().mean()) for part in kept.view(3, -1)]


def check(found):
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.3, abs=5 * (0.21 / 400) ** 0.5)  # five deviations
    assert found[2] == 1.0


def test_noise_by_graph(batch):
    x = FeatureNoise(0.0, "loss", replace=True)(batch).x
    check(shares(x[:, 0]))


def test_edges_by_graph(batch):
    out = EdgeDropping("loss", as_weight=True, undirected=False)(batch.clone())
    check(shares(out.edge_weight))
    removed = EdgeDropping("loss", undirected=False)(batch).to_data_list()
    assert [d.num_edges for d in removed][::2] == [400, 0]


def test_nodes_by_graph(batch):
    out = NodeDropping("loss", remove=True)(batch).to_data_list()
    assert out[0].num_nodes == 400
    assert out[1].num_nodes == pytest.approx(280, abs=5 * (0.21 * 400) ** 0.5)
    assert out[2].num_nodes == 1  # a graph never becomes empty


def test_weights_scale_the_rate_of_the_graph(batch):
    batch.phi = torch.ones(batch.num_edges)
    transform = EdgeDropping("loss", weight="phi", p_max=1.0)
    rates = transform.edge_rates(batch, batch._store)
    torch.testing.assert_close(rates.float(), torch.tensor(RATES).repeat_interleave(400))


def test_a_graph_alone_and_names_in_the_repr():
    data = Data(x=torch.ones(3, 1), edge_index=torch.tensor([[0, 1], [1, 2]]), loss=1.0)
    transform = NodeDropping("loss")
    assert transform(data).num_edges == 0
    assert repr(transform) == "NodeDropping(p='loss')"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no attribute 'loss'"),
        (torch.tensor([0.1, 0.2]), "one rate for each of 1 graphs, got 2"),
        (1.5, r"rates in \[0, 1\], got \[1.5\]"),
        (float("nan"), r"rates in \[0, 1\]"),
    ],
)
@pytest.mark.parametrize("make", [NodeDropping, EdgeDropping, lambda p: FeatureNoise(1.0, p)])
def test_bad_rates(make, value, said):
    data = Data(x=torch.ones(3, 1), edge_index=torch.tensor([[0, 1], [1, 2]]))
    if value is not None:
        data.loss = value
    with pytest.raises(ValueError, match=said):
        make("loss")(data)
