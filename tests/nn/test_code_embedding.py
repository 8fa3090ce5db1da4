"""CodeEmbedding, and integer features on their way through views and methods."""

import inspect

import pytest
import torch
from torch.nn.functional import one_hot
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GAT, GIN

import gcl
from gcl import augment, methods
from gcl.nn import CodeEmbedding, GCNEncoder


def coded():
    data = gcl.datasets.load("karate")
    generator = torch.Generator().manual_seed(3)
    data.x = torch.randint(0, 5, (34, 3), generator=generator)
    return data


def encoder(inner=None):
    return CodeEmbedding(GCNEncoder(8, 8) if inner is None else inner, num_codes=[4, 4, 4])


def test_rows_are_sums_of_a_table_a_column():
    """By the slow way: one-hot codes times the tables, code 0 the first row of each."""
    module = encoder()
    x = torch.tensor([[1, 4, 0], [3, 0, 2]])
    tables = module.table.weight.split(5)
    by_hand = sum(
        one_hot(column, 5).float() @ table for column, table in zip(x.t(), tables, strict=True)
    )
    edges = torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(module(x, edges), module.encoder(by_hand, edges))


def test_bad_codes_are_named():
    edges, module = torch.tensor([[0], [1]]), encoder()
    with pytest.raises(ValueError, match=r"codes of column 1 must lie in \[1, 4\], .* 0 to 9"):
        module(torch.tensor([[0, 9, 0], [0, 0, 0]]), edges)
    with pytest.raises(TypeError, match=r"got torch.float32; .* set normalize=False"):
        module(torch.zeros(2, 3), edges)
    with pytest.raises(ValueError, match="made for 3 features"):
        module(torch.zeros(2, 2, dtype=torch.long), edges)
    with pytest.raises(ValueError, match="at least 1"):
        CodeEmbedding(GCNEncoder(8, 8), [4, 0])
    lazy = GIN(-1, 8, 2)
    with pytest.raises(ValueError, match="give width"):
        CodeEmbedding(lazy, [4])


def test_only_a_method_that_reads_codes_takes_them():
    data = coded()
    with pytest.raises(TypeError, match=r"gcl.nn.CodeEmbedding"):
        gcl.fit(methods.dgi(data, encoder=GCNEncoder(3, 8)), data, epochs=1)
    method = methods.grace(data, encoder=encoder(), normalize=False)
    assert gcl.fit(method, data, epochs=2).finished
    z = gcl.embed(method, data)
    for again in (gcl.embed(method, data, batch_size=7), gcl.embed(method, data, nodes=range(34))):
        torch.testing.assert_close(again, z, atol=1e-5, rtol=1e-4)
    gcl.fit(method, gcl.loader.NeighborBatches(data, [4, 4], batch_size=16), epochs=1)
    with pytest.raises(TypeError, match="normalize=False"):
        gcl.fit(methods.grace(data, encoder=encoder()), data, epochs=1)


def test_edge_attributes_pass_through():
    data = coded()
    data.edge_attr = torch.rand(data.num_edges, 2)
    method = methods.grace(data, encoder=encoder(GAT(8, 8, 2, edge_dim=2)), normalize=False)
    z = gcl.embed(method, data)
    data.edge_attr = 1 - data.edge_attr
    assert not torch.allclose(gcl.embed(method, data), z)


MASKS = {
    "columns": (augment.FeatureMasking(1.0), {}),
    "by importance": (
        augment.FeatureMasking(1.0, "phi", p_max=1.0),
        {"phi": torch.tensor([0.0, 0.0, 0.0])},
    ),
    "entries": (augment.FeatureDropout(1.0), {}),
    "rows": (augment.FeatureNoise(0.5, 1.0, 0.5, True), {}),
}


@pytest.mark.parametrize("name", MASKS)
def test_masked_codes_are_no_category(name):
    mask, further = MASKS[name]
    x = torch.tensor([[0, 3, 1], [2, 2, 0]])
    data = Data(x=x, edge_index=torch.tensor([[0], [1]]), **further)
    view = mask(data)
    assert view.x.dtype == torch.int64
    assert not bool(view.x.any())
    assert torch.equal(data.x, torch.tensor([[0, 3, 1], [2, 2, 0]]))


def test_half_of_the_columns_keep_their_codes():
    torch.manual_seed(0)
    data = Data(x=torch.arange(1, 201).repeat(4, 1), edge_index=torch.tensor([[0], [1]]))
    x = augment.FeatureMasking(0.5)(data).x
    hidden = (x == 0).all(0)
    assert 60 < int(hidden.sum()) < 140
    assert torch.equal(x[:, ~hidden], data.x[:, ~hidden])


def test_noise_is_no_code():
    with pytest.raises(TypeError, match="replace=True masks"):
        augment.FeatureNoise(0.5)(coded())


OPTIONS = {"sugrl": {"input_dropout": 0.0}}


@pytest.mark.parametrize(
    "name", ["bgrl", "dgi", "ggd", "afgrl", "cca_ssg", "pamc", "sugrl", "progcl", "mvgrl", "gca"]
)
def test_recipes_take_codes(name):
    data, recipe = coded(), getattr(methods, name)
    options = OPTIONS.get(name, {})
    if "normalize" in inspect.signature(recipe).parameters:
        options = options | {"normalize": False}
    method = recipe(data, encoder=encoder(), **options)
    gcl.fit(method, data, epochs=2)
    assert gcl.embed(method, data).isfinite().all()


@pytest.mark.parametrize("name", ["graphcl", "infograph", "simgrace", "mvgrl_graph"])
def test_recipes_of_graphs_take_codes(name):
    batch = Batch.from_data_list([coded() for _ in range(4)])
    if name == "mvgrl_graph":
        with pytest.raises(TypeError, match="floating-point"):
            methods.mvgrl_graph(batch)
        return
    method = getattr(methods, name)(batch, encoder=encoder())
    gcl.fit(method, [batch], epochs=3)
    assert gcl.embed(method, batch).shape == (4, 8)


def test_what_computes_with_features_says_so():
    data = coded()
    with pytest.raises(TypeError, match="set input_dropout=0"):
        gcl.fit(methods.sugrl(data, encoder=encoder(), normalize=False), data, epochs=1)
    masked = methods.Masked(encoder(), GCNEncoder(8, 3))
    with pytest.raises(TypeError, match="codes of categories are no numbers"):
        gcl.fit(masked, data, epochs=1)
    slow = methods.half_hop(methods.grace(data, encoder=encoder(), normalize=False), p=1.0)
    with pytest.raises(TypeError, match=r"half_hop: .*take it for features that are numbers"):
        gcl.fit(slow, data, epochs=1)


def test_other_weights():
    module = encoder()
    before = [p.clone() for p in module.parameters()]
    module.reset_parameters()
    changed = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert changed[-1] or any(changed)
    assert not torch.equal(
        before[[*dict(module.named_parameters())].index("table.weight")], module.table.weight
    )
