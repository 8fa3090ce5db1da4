"""What the recipes for whole graphs promise: contract, resuming, odd batches, errors."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

import gcl
from gcl.callbacks import Checkpoint
from gcl.testing import check_method
from tests.methods.small_graphs import batch, graphs

RECIPES = {
    "graphcl": gcl.methods.graphcl,
    "graphcl, MACL, added edges": lambda data, **options: gcl.methods.macl(
        gcl.methods.graphcl(data, add_edge=0.2, **options)
    ),
    "joao": lambda data, **options: gcl.methods.joao(gcl.methods.graphcl(data, **options)),
    "simgrace": gcl.methods.simgrace,
    "infograph": gcl.methods.infograph,
    "mvgrl_graph": gcl.methods.mvgrl_graph,
}
EMPTY = torch.empty(2, 0, dtype=torch.long)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_contract(recipe):
    torch.manual_seed(0)
    data = batch()
    method = recipe(data, hidden=8)
    check_method(method, data)
    assert len(method.embed(data)) == 6
    assert "<" not in repr(method)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_embedding_of_a_graph_does_not_depend_on_its_batch(recipe):
    torch.manual_seed(0)
    method = recipe(batch(), hidden=8).eval()
    whole = method.embed(batch())
    alone = torch.cat([method.embed(Batch.from_data_list([g])) for g in graphs()])
    assert torch.allclose(whole, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_resumes_exactly(recipe, tmp_path):
    def run(epochs, path, resume=None):
        torch.manual_seed(0)
        method = recipe(batch(), hidden=4)
        loader = DataLoader(graphs(), 3, shuffle=True)
        saved = Checkpoint(tmp_path / path, every=1)
        gcl.fit(method, loader, epochs=epochs, lr=1e-2, callbacks=[saved], resume=resume)
        return method.state_dict()

    whole = run(3, "a")
    run(1, "b")
    for key, value in run(3, "b", tmp_path / "b").items():
        assert torch.equal(value.nan_to_num(), whole[key].nan_to_num()), key


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(
    "odd",
    [
        [Data(x=torch.zeros(0, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(1, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(4, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(1, 3), edge_index=torch.zeros(2, 1, dtype=torch.long))],
    ],
    ids=["no node", "one node", "no edge", "a self-loop"],
)
def test_odd_graphs_in_a_batch(recipe, odd):
    torch.manual_seed(0)
    data = Batch.from_data_list([Data(x=g.x, edge_index=g.edge_index) for g in graphs(3)] + odd)
    method = recipe(data, hidden=4)
    for _ in range(6):  # every augmentation has its turn
        loss = method(data)
        loss.backward()
        assert bool(loss.isfinite())
    z = method.eval().embed(data)
    assert len(z) == 4
    assert bool(z.isfinite().all())


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_batch_of_one_graph_is_a_zero_with_a_warning(recipe, size):
    torch.manual_seed(0)
    data = Batch.from_data_list([Data(x=torch.ones(size, 3), edge_index=EMPTY)])
    method = recipe(data, hidden=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss = method(data)
    assert loss == 0
    loss.backward()
    assert size == 0 or any("no negatives" in str(w.message) for w in caught)
    assert method.eval().embed(data).shape[0] == 1


@pytest.mark.parametrize("name", ["graphcl", "simgrace", "infograph", "mvgrl_graph"])
def test_graphs_without_features_say_what_to_do(name):
    bare = [Data(edge_index=EMPTY, num_nodes=2)]
    for data in (bare, bare[0], Batch.from_data_list(bare)):
        with pytest.raises(ValueError, match=f"{name}: the graph has no features x.*AddDegree"):
            getattr(gcl.methods, name)(data)


def test_lists_and_sets_of_graphs_give_the_width():
    assert gcl.methods.infograph(graphs()).encoders[0].in_channels == 3


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_graphs_without_a_loader_are_refused(recipe):
    several = graphs(3)
    method = recipe(several)
    with pytest.raises(TypeError, match="a list of graphs would be trained on graph by graph"):
        gcl.fit(method, several, epochs=1)
    gcl.fit(method, [Batch.from_data_list(several)], epochs=1)


def test_what_gives_no_width():
    with pytest.raises(TypeError, match="of one node type, got HeteroData"):
        gcl.methods.graphcl(gcl.datasets.hetero_sbm(20, num_authors=9, num_subjects=3))
    with pytest.raises(TypeError, match="a list of graphs of one node type, got the text 'mutag'"):
        gcl.methods.graphcl("mutag")
    with pytest.raises(TypeError, match="a list of graphs of one node type, got DataLoader"):
        gcl.methods.graphcl(DataLoader(graphs()))


def test_several_targets_a_graph_and_features_of_another_precision():
    several = graphs(4)
    for graph in several:
        graph.x, graph.y = graph.x.double(), torch.tensor([1.0, 2.0])
    method = gcl.methods.graphcl(several, hidden=4)
    gcl.fit(method, DataLoader(several, 4), epochs=1)
    assert gcl.embed(method, DataLoader(several, 4)).shape == (4, 12)
