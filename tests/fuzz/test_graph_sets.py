"""Recipes for whole graphs on batches, lists and data sets of graphs, and their evaluations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import gcl
from gcl.methods import recipes
from tests.fuzz.graphs import as_set, lists_of_graphs
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz
from tests.fuzz.test_recipes import OF_GRAPHS, strategies

FORMS = {
    "list": lambda graphs: (graphs, graphs),
    "set": lambda graphs: (as_set(graphs),) * 2,
    "batch": lambda graphs: (Batch.from_data_list(graphs),) * 2,
    "loader": lambda graphs: (graphs, DataLoader(graphs, batch_size=3)),
    "loader of a set": lambda graphs: ((found := as_set(graphs)), DataLoader(found, batch_size=4)),
}


@pytest.mark.parametrize("name", sorted(OF_GRAPHS))
@fuzz(12)
@given(data=st.data())
def test_a_recipe_on_graphs(name, data):
    graphs = data.draw(lists_of_graphs())
    form = data.draw(st.sampled_from(sorted(FORMS)))
    alike = len({tuple(sorted(graph.keys())) for graph in graphs}) == 1
    if form != "list" and not alike:
        return  # PyG makes no batch of them
    shown, given_ = FORMS[form](graphs)
    options = data.draw(options_of(getattr(recipes, name), strategies(name)))
    method = judge(lambda: getattr(recipes, name)(shown, **options), shown)
    if isinstance(method, Refused):
        return
    state = judge(lambda: gcl.fit(method, given_, epochs=1), shown)
    if isinstance(state, Refused):
        return
    z = judge(lambda: gcl.embed(method, given_), shown)
    if not isinstance(z, Refused):
        assert len(z) == len(graphs)
        y = torch.cat([graph.y for graph in graphs])
        judge(lambda: gcl.evaluate.knn(z, y, k=1), z, y)


@fuzz(15)
@given(data=st.data())
def test_histograms_of_graphs(data):
    graphs = data.draw(lists_of_graphs())
    options = data.draw(options_of(gcl.baselines.wl_histograms))
    judge(lambda: gcl.baselines.wl_histograms(graphs, **options), graphs)


def test_found_features_in_double_precision():
    """PyG's encoders take no features of another format than their weights."""
    graphs = [gcl.datasets.sbm(60, num_features=3, seed=seed) for seed in range(2)]
    for graph in graphs:
        graph.x = graph.x.double()
    data = Batch.from_data_list(graphs)
    method = gcl.methods.mvgrl_graph(data, hidden=4)
    assert not isinstance(judge(lambda: gcl.fit(method, data, epochs=1), data), Refused)
