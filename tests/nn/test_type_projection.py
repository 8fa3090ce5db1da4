"""The linear layers that bring node types together."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.nn import TypeProjection


def graph():
    torch.manual_seed(0)
    data = HeteroData()
    data["a"].x = torch.rand(5, 7).where(torch.rand(5, 7) > 0.5, 0.0)
    data["b"].num_nodes = 4
    data["c"].x = torch.rand(3, 2, dtype=torch.float64)
    return data


def test_dense_sparse_and_absent_features_equal_a_linear_layer():
    data = graph()
    layer = TypeProjection(data, ["a", "b", "c", "a"], 6)
    dense = layer(data)
    sparse = data.clone()
    sparse["a"].x = data["a"].x.to_sparse_csr()
    inputs = {"a": data["a"].x, "b": torch.eye(4), "c": data["c"].x.float()}
    for kind, x in inputs.items():
        linear = torch.nn.Linear(x.shape[1], 6)
        with torch.no_grad():
            linear.weight.copy_(layer.weights[kind].t())
            linear.bias.copy_(layer.biases[kind])
        expected = torch.nn.functional.elu(linear(x))
        torch.testing.assert_close(dense[kind], expected)
        torch.testing.assert_close(layer(sparse)[kind], expected)


def test_spread_of_the_weights_is_xaviers():
    data = HeteroData()
    data["a"].num_nodes = 3000
    weight = TypeProjection(data, ["a"], 64).weights["a"]
    assert float(weight.detach().std()) == pytest.approx(1.414 * (2 / 3064) ** 0.5, rel=0.02)


def test_dropout_only_in_training():
    layer = TypeProjection(graph(), ["b"], 50, dropout=0.5)
    assert (layer(graph())["b"] == 0).float().mean() > 0.3
    layer.eval()
    assert torch.equal(layer(graph())["b"], layer(graph())["b"])


def test_free_types_have_a_vector_a_node_whatever_their_features():
    data = graph()
    layer = TypeProjection(data, ["a", "c"], 6, free=["a"])
    assert layer.weights["a"].shape == (5, 6)
    expected = torch.nn.functional.elu(layer.weights["a"] + layer.biases["a"])
    assert torch.equal(layer(data)["a"], expected)
    assert layer.weights["c"].shape == (2, 6)


def test_bad_input():
    with pytest.raises(ValueError, match=r"no node type 'x'.*a, b, c"):
        TypeProjection(graph(), ["x"], 4)
    with pytest.raises(ValueError, match="dropout must lie"):
        TypeProjection(graph(), ["a"], 4, dropout=1.0)
    data = graph()
    data["a"].x = torch.rand(5)
    with pytest.raises(ValueError, match="remove x to give every node a vector"):
        TypeProjection(data, ["a"], 4)


@pytest.mark.parametrize("name", ["items", "values", "keys", "type", "copy", "a.b"])
def test_any_name_of_a_type_will_do(name):
    data = HeteroData()
    data[name].x = torch.randn(4, 3)
    layer = TypeProjection(data, [name], 2)
    assert layer(data)[name].shape == (4, 2)
    other = TypeProjection(data, [name], 2)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.eval()(data)[name], layer.eval()(data)[name])


@pytest.mark.parametrize("layout", ["coo", "csc", "csr"])
def test_sparse_layouts_are_one(layout):
    torch.manual_seed(0)
    data = HeteroData()
    data["a"].x = torch.randn(4, 3).relu()
    layer = TypeProjection(data, ["a"], 2).eval()
    dense = layer(data)["a"]
    data["a"].x = getattr(data["a"].x, f"to_sparse_{layout}")()
    torch.testing.assert_close(layer(data)["a"], dense)


def test_a_type_without_features_needs_its_number():
    data = HeteroData()
    data["a"].y = torch.zeros(3)
    with pytest.raises(ValueError, match=r"data\['a'\].num_nodes = "):
        TypeProjection(data, ["a"], 2)
