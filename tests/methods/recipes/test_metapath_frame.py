"""MEOW, AdaMEOW and HeCo alike, on heterogeneous graphs of every kind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

import gcl
from gcl.callbacks import Checkpoint
from gcl.testing import check_method
from gcl.transforms import AddHeCoPositives, AddMetaPaths
from tests.methods.papers import PAP, PSP, RECIPES, graph, make


@pytest.mark.parametrize("name", RECIPES)
def test_contract(name):
    check_method(make(name, graph()), graph())


@pytest.mark.parametrize("name", RECIPES)
def test_learns_communities(name):
    data = graph(120, homophily=0.95, subjects=2.0, noise=8.0)
    torch.manual_seed(0)
    method = make(name, data)
    before = gcl.fit(method, data, epochs=1, lr=5e-3).loss
    after = gcl.fit(method, data, epochs=40, lr=5e-3).loss
    assert after < before - 0.1
    found = gcl.evaluate.knn(gcl.embed(method, data), data["paper"].y, k=5)["accuracy"]
    assert found > gcl.evaluate.knn(data["paper"].x, data["paper"].y, k=5)["accuracy"] + 0.1


def odd(case):
    data = graph()
    paths = [PAP, PSP]
    if case == "one meta-path":
        paths = [PAP]
    elif case == "a type without features":
        del data["author"].x
        data["author"].num_nodes = 50
    elif case == "a target without features":
        del data["paper"].x
        data["paper"].num_nodes = 40
    elif case == "no features at all":
        for kind, n in (("paper", 40), ("author", 50), ("subject", 6)):
            del data[kind].x
            data[kind].num_nodes = n
    elif case == "isolated targets":
        for name in data.edge_types:
            row = 0 if name[0] == "paper" else 1
            keep = data[name].edge_index[row] > 4
            data[name].edge_index = data[name].edge_index[:, keep]
    elif case == "no edges":
        for name in data.edge_types:
            data[name].edge_index = data[name].edge_index[:, :0]
    elif case == "float64 features":
        data["paper"].x = data["paper"].x.double()
    elif case == "sparse features":
        data["paper"].x = data["paper"].x.relu().to_sparse_csr()
    elif case == "labels from 1":
        data["paper"].y += 1
    elif case == "a zero row":
        data["paper"].x[3] = 0
    elif case == "length 6":
        paths = [["paper", "author", "paper", "subject", "paper", "author", "paper"]]
    return data, paths


CASES = [
    "one meta-path",
    "a type without features",
    "a target without features",
    "no features at all",
    "isolated targets",
    "no edges",
    "float64 features",
    "sparse features",
    "labels from 1",
    "a zero row",
    "length 6",
]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("case", CASES)
def test_odd_graphs(name, case):
    data, paths = odd(case)
    method = make(name, data, paths)
    gcl.fit(method, data, epochs=2)
    z = gcl.embed(method, data)
    assert z.shape == (40, 8)
    assert z.isfinite().all()


@pytest.mark.parametrize("name", ["meow", "adameow"])
def test_a_metapath_of_length_one_has_no_interior(name):
    data = graph()
    cites = torch.randint(40, (2, 100))
    data["paper", "cites", "paper"].edge_index = cites
    method = make(name, data, [[("paper", "cites", "paper")], PAP])
    gcl.fit(method, data, epochs=2)
    assert method.contexts.positions == (0, 1)


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_metapath_may_take_is_an_option(name):
    data = graph()
    with pytest.raises(ValueError, match="budget=100 bytes"):
        make(name, data, paths={"budget": 100}).prepare(data)


@pytest.mark.parametrize("name", RECIPES)
def test_a_graph_that_was_prepared_before_will_do(name):
    data = graph()
    prepared = make(name, data).prepare(data)
    torch.manual_seed(0)
    method = make(name, prepared)
    assert torch.equal(gcl.embed(method, prepared), gcl.embed(method, data))


def permuted(data, order):
    """The same graph with its papers in another order."""
    place, out = order.argsort(), copy.copy(data)
    out["paper"].x, out["paper"].y = data["paper"].x[order], data["paper"].y[order]
    for name in data.edge_types:
        row, edges = 0 if name[0] == "paper" else 1, data[name].edge_index.clone()
        edges[row] = place[edges[row]]
        out[name].edge_index = edges
    return out


@pytest.mark.parametrize("name", RECIPES)
def test_permuting_targets_permutes_embeddings(name):
    data, order = graph(), torch.randperm(40)
    method = make(name, data).double()
    z = gcl.embed(method, data)
    torch.testing.assert_close(gcl.embed(method, permuted(data, order)), z[order])


@pytest.mark.parametrize("name", RECIPES)
def test_resumes_bit_for_bit(name, tmp_path):
    data = graph()

    def start():
        torch.manual_seed(0)
        return make(name, data)

    whole = gcl.fit(start(), data, epochs=4)
    gcl.fit(start(), data, epochs=2, callbacks=[Checkpoint(tmp_path / "c.safetensors")])
    torch.manual_seed(9)
    rest = gcl.fit(
        start(),
        data,
        epochs=4,
        callbacks=[Checkpoint(tmp_path / "c.safetensors")],
        resume=tmp_path / "c.safetensors",
    )
    assert [r["loss"] for r in rest.history] == [r["loss"] for r in whole.history]


@pytest.mark.parametrize("name", RECIPES)
def test_bad_input(name):
    data = graph()
    with pytest.raises(TypeError, match="expected a HeteroData"):
        make(name, gcl.datasets.load("karate"))
    with pytest.raises(ValueError, match="names no meta-paths of its own"):
        getattr(gcl.methods, name)(data)
    with pytest.raises(ValueError, match=r"step 1 of meta-path 0.*no node type 'venue'"):
        make(name, data, [["paper", "venue", "paper"]])
    method = make(name, data)
    with pytest.raises((TypeError, ValueError), match=r"HeteroData|meta-path graphs"):
        method.embed(gcl.datasets.load("karate"))


def test_bad_rates_and_samples():
    data = graph()
    with pytest.raises(ValueError, match="one for each of 2 meta-paths, got 3"):
        make("meow", data, mask_edge=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="mask_feature must lie"):
        make("meow", data, mask_feature=1.0)
    with pytest.raises(ValueError, match="samples names venue"):
        make("heco", data, samples={"venue": 3})
    with pytest.raises(ValueError, match="samples is empty"):
        make("heco", data, samples={})
    alone = HeteroData()
    alone["paper"].x = torch.rand(5, 3)
    alone["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="no edge type leads from another node type"):
        gcl.methods.heco(alone, paths=AddMetaPaths([[("paper", "cites", "paper")]]))


@pytest.mark.parametrize("recipe", ["meow", "adameow", "heco"])
def test_batches_and_unprepared_graphs_are_refused(recipe):
    data = gcl.datasets.hetero_sbm(20, num_authors=20, num_subjects=3)
    method = getattr(gcl.methods, recipe)(data, paths=AddMetaPaths([["paper", "author", "paper"]]))
    with pytest.raises(TypeError, match="got a batch of 2"):
        method(Batch.from_data_list([data, data]))
    with pytest.raises(ValueError, match=r"method.prepare\(data\)|AddMetaPaths"):
        method(data)


def test_the_draw_of_ties_is_an_option():
    data = graph()
    for name in ("meow", "adameow"):
        method = make(name, data, paths={"seed": 3, "topk": 2})
        assert method.whole_graph.transforms[0].seed == 3
    method = make("heco", data, positives=AddHeCoPositives(5, seed=3))
    assert method.whole_graph.transforms[1].seed == 3
