"""Recipes on rows: what a word makes of the encoder, the preparation and the views."""

import pytest
import torch

import gcl
from gcl.methods.recipes.row_frame import HOPS
from gcl.nn import GCNEncoder, MLPEncoder
from gcl.transforms import AddPropagated, NormalizeRows

ON_ROWS = ["bgrl", "cca_ssg", "costa", "csgcl", "dgi", "gbt", "gca", "ggd", "grace", "progcl"]


@pytest.fixture(scope="module")
def data():
    found = gcl.datasets.sbm(120, 3, num_features=10)
    found.x = found.x.abs()
    return found


def recipe(name, data, **options):
    return getattr(gcl.methods, name)(data, hidden=8, encoder="propagated", **options)


@pytest.mark.parametrize("name", ON_ROWS)
def test_an_epoch_never_meets_the_graph(name, data):
    method = recipe(name, data)
    prepared = method.prepare(data)
    expected = AddPropagated(HOPS)(NormalizeRows()(data.clone())).x
    torch.testing.assert_close(prepared.x, expected)
    assert "EdgeDropping" not in repr(method)
    none = prepared.clone()
    none.edge_index = prepared.edge_index[:, :0]
    none.edge_weight = None
    for key in ("edge_importance", "edge_strength"):
        if key in none:
            del none[key]
    losses = []
    for graph in (prepared, none):
        torch.manual_seed(0)
        losses.append(float(method.train().loss(graph).detach()))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", ON_ROWS)
def test_its_network_is_the_recipes_without_messages(name, data):
    torch.manual_seed(0)
    gcn = getattr(gcl.methods, name)(data, hidden=8).eval().encoder
    torch.manual_seed(0)
    rows = recipe(name, data).eval().encoder
    assert isinstance(gcn, GCNEncoder)
    assert isinstance(rows, MLPEncoder)
    with torch.no_grad():
        for layer, weight, bias in zip(rows.layers, gcn.weights, gcn.biases, strict=True):
            assert layer.weight.shape == weight.t().shape
            layer.weight.copy_(weight.t())
            layer.bias.copy_(bias)
        x, no_edges = torch.rand(120, 10), torch.empty(2, 0, dtype=torch.long)
        torch.testing.assert_close(rows(x), gcn(x, no_edges))


def test_trained_rows_tell_blocks_apart():
    torch.manual_seed(0)
    data = gcl.datasets.sbm(200, 2, num_features=8)
    method = recipe("cca_ssg", data, normalize=False, num_layers=1)
    gcl.fit(method, data, epochs=30, lr=1e-3)
    z = gcl.embed(method, data)
    found = gcl.evaluate.linear_probe(z, data.y)
    assert found["accuracy"] > 0.7
    # A node is embedded from its row alone.
    prepared = method.prepare(data)
    alone = method.eval().encoder(prepared.x[:5])
    torch.testing.assert_close(alone, method.encoder(prepared.x)[:5])


@pytest.mark.parametrize("name", ["bgrl", "gca", "ggd"])
def test_it_keeps_the_contract_of_methods(name, data):
    method = recipe(name, data)
    gcl.testing.check_method(method, method.prepare(data))


def test_one_layer_is_a_linear_map(data):
    encoder = recipe("cca_ssg", data, num_layers=1).encoder
    assert encoder.widths == (10, 8)
    x = torch.rand(4, 10)
    assert torch.allclose(encoder(2 * x) - encoder(x), encoder(x) - encoder(0 * x), atol=1e-5)


def test_the_recipe_without_edges_keeps_its_batch_norm(data):
    encoder = recipe("cca_ssg", data, mlp=True).encoder
    assert "norm='batch'" in repr(encoder)


def test_another_word_is_refused(data):
    for name in ON_ROWS:
        with pytest.raises(TypeError, match=f"{name}: encoder must be 'propagated', or a module"):
            getattr(gcl.methods, name)(data, encoder="gcn")
    with pytest.raises(ValueError, match="num_layers must be at least 1"):
        recipe("grace", data, num_layers=0)
