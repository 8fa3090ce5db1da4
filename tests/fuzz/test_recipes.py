"""Every recipe for nodes and every variant: built, trained for an epoch or two, read."""

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch

import gcl
from gcl.methods import recipes, variants
from tests.fuzz.graphs import graphs, lists_of_graphs
from tests.fuzz.judge import Refused, judge, photograph
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz

OF_GRAPHS = {"graphcl", "infograph", "mvgrl_graph", "simgrace"}
OF_TYPES = {"adameow", "heco", "meow"}
OF_NODES = sorted(set(recipes.__all__) - OF_GRAPHS - OF_TYPES)
SMALL = st.sampled_from([1, 2, 4])
PAIRS = st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 2)
OPTIONS = {
    "act": st.sampled_from(["relu", "prelu", "elu", "tanh"]),
    "hidden": SMALL,
    "drop_edge": PAIRS,
    "mask_feature": PAIRS,
    "communities": st.sampled_from(["leiden", "leiden", None]),
    "encoder": st.none(),
    "norm": st.sampled_from([None, "batch", "layer"]),
}
OWN = {
    "cca_ssg": {"drop_edge": st.sampled_from([0.0, 0.5, 1.0])},
    "costa": {"mask_feature": PAIRS},
    "gbt": {"drop_edge": st.sampled_from([0.0, 0.5, 1.0])},
    "vicreg": {"drop_edge": st.sampled_from([0.0, 0.5, 1.0])},
    **{name: {"hidden": st.sampled_from([(4,), (2, 3)])} for name in ("pamc", "scgc", "sugrl")},
}


def strategies(name):
    """Strategies for the options of a recipe."""
    asked = inspect.signature(getattr(recipes, name)).parameters
    found = {key: value for key, value in OPTIONS.items() if key in asked}
    for key in ("drop_edge", "mask_feature"):
        if key in asked and not isinstance(asked[key].default, tuple):
            found.pop(key)
    return {**found, **OWN.get(name, {}), **pretraining(asked)}


def pretraining(asked):
    """Few steps of what two recipes do before they are trained."""
    few = {"pretrain_epochs": st.sampled_from([0, 1, 2]), "restarts": st.sampled_from([1, 2])}
    return {key: value for key, value in few.items() if key in asked}


def trained(method, data, given, epochs=1):
    """Trains and reads a method; `Refused` if either is."""
    state = judge(lambda: gcl.fit(method, data, epochs=epochs), given)
    if isinstance(state, Refused):
        return state
    return judge(lambda: gcl.embed(method, data), given)


@pytest.mark.parametrize("name", OF_NODES)
@fuzz(8)
@given(data=st.data())
def test_a_recipe_on_a_graph(name, data):
    graph = data.draw(graphs())
    options = data.draw(options_of(getattr(recipes, name), strategies(name)))
    method = judge(lambda: getattr(recipes, name)(graph, **options), graph)
    if isinstance(method, Refused):
        return
    z = trained(method, graph, graph, data.draw(st.integers(1, 2)))
    if not isinstance(z, Refused):
        assert len(z) == graph.num_nodes


NEGATIVES = {"negatives": st.sampled_from([gcl.losses.HardestNegatives(3),
                                           gcl.losses.RandomNegatives(2),
                                           gcl.losses.MixedNegatives(2, 3),
                                           gcl.losses.MetaNodeNegatives(2)])}  # fmt: skip


@pytest.mark.parametrize("name", variants.__all__)
@fuzz(12)
@given(data=st.data())
def test_a_variant_of_a_recipe(name, data):
    wanted = ["graphcl"] if name == "joao" else ["grace", "gca", "costa", "csgcl", "progcl", "gbt"]
    recipe = data.draw(
        st.one_of(st.sampled_from(wanted), st.sampled_from(sorted(set(OF_NODES) | OF_GRAPHS)))
    )
    if recipe in OF_GRAPHS:
        graph = data.draw(lists_of_graphs(2).map(Batch.from_data_list))
    else:
        graph = data.draw(graphs())
    own = data.draw(options_of(getattr(recipes, recipe), strategies(recipe), wrong=False))
    method = judge(lambda: getattr(recipes, recipe)(graph, **own), graph)
    if isinstance(method, Refused):
        return
    given_ = NEGATIVES if name == "with_negatives" else {"method": st.none()}
    if name == "distil":
        given_ |= {"data": st.just(graph), "hidden": st.sampled_from([(4,), (2, 3)])}
        given_ |= {"loss": st.sampled_from([None, gcl.losses.InfoNCE(0.5)])}
    if name == "several_seeds":
        given_ |= {"seeds": st.sampled_from([1, 2])}
    options = data.draw(options_of(getattr(variants, name), given_))
    options.pop("method", None)
    changed = judge(lambda: getattr(variants, name)(method, **options), graph, method)
    if not isinstance(changed, Refused):
        before = photograph(method)
        trained(changed, graph, graph)
        assert photograph(method) == before, "training a variant changed the method it is of"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("name", ["scgc", "pot"])
def test_found_sparse_features_of_another_format(name, dtype):
    graph = gcl.datasets.sbm(40, 2, num_features=6)
    graph.x = graph.x.to(dtype).to_sparse_csr()
    if name == "scgc":
        method = recipes.scgc(graph, hidden=(4,), dim=2, pretrain_epochs=1, restarts=1)
    else:
        method = variants.pot(recipes.grace(graph, hidden=4, proj=4))
    assert not isinstance(trained(method, graph, graph), Refused)


@pytest.mark.parametrize("recipe", [recipes.bgrl, recipes.afgrl])
def test_found_running_statistics_beyond_the_newest(recipe):
    """A share of 2 makes running variances negative, and embeddings NaN."""
    graph = gcl.datasets.load("karate")
    assert isinstance(judge(lambda: recipe(graph, norm_momentum=2.0)), Refused)


def test_found_true_for_a_width():
    graph = gcl.datasets.load("karate")
    assert isinstance(judge(lambda: recipes.grace(graph, hidden=True)), Refused)


def test_found_a_rate_for_the_layers_of_pyg():
    graph = gcl.datasets.load("karate")
    refused = judge(lambda: recipes.graphmae(graph, gnn="gat", hidden=4, dropout=2.0))
    assert isinstance(refused, Refused)


def test_found_sparse_features_that_are_narrower_than_the_layer():
    graph = gcl.datasets.sbm(40, 2, num_features=1)
    graph.x = graph.x.abs().to_sparse()
    z = trained(recipes.graphmae(graph, hidden=2, normalize=False), graph, graph)
    assert not isinstance(z, Refused)
