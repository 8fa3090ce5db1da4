"""What methods tell of how they were made."""

import copy
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric import nn as gnn
from torch_geometric.data import Data, HeteroData

import gcl
from gcl.methods import recipes, variants
from gcl.methods.made import Made, recorded, shapes_of, spell
from tests.test_contracts import RECIPES


def test_every_recipe_and_variant_records_its_call():
    for room in (recipes, variants):
        for name in room.__all__:
            function = getattr(room, name)
            assert hasattr(function, "__wrapped__"), name
            assert inspect.signature(function) == inspect.signature(function.__wrapped__)
            assert pickle.loads(pickle.dumps(function)) is function


def test_the_call_with_all_its_options():
    data = gcl.datasets.load("karate")
    made = gcl.methods.macl(gcl.methods.grace(data, hidden=8), alpha=0.2).made_by
    assert (made.name, made.options["alpha"]) == ("macl", 0.2)
    assert isinstance(made.first, Made)
    assert made.first.name == "grace"
    assert set(made.first.options) == set(inspect.signature(gcl.methods.grace).parameters) - {
        "data"
    }
    assert made.first.options["hidden"] == 8
    assert made.first.options["drop_edge"] == {"tuple": [0.2, 0.4]}
    assert made.first.first == {"graph": {"x": {"width": 34, "layout": "dense"}}}


def test_a_variant_leaves_the_record_of_the_given_method():
    method = gcl.methods.grace(gcl.datasets.load("karate"), hidden=8)
    before = copy.deepcopy(method.made_by)
    gcl.methods.pot(method)
    assert method.made_by == before


def test_a_method_by_hand_tells_nothing_and_a_variant_around_it_no_recipe():
    by_hand = gcl.methods.TwoView(gcl.nn.GCNEncoder(34, 4), (copy.copy,) * 2, gcl.losses.InfoNCE())
    assert by_hand.made_by is None
    assert gcl.methods.half_hop(by_hand).made_by.first is None


def test_what_was_read_from_the_graph_stands_in_its_place():
    data = gcl.datasets.load("karate")
    options = gcl.methods.pamc(data, hidden=(8,), dim=4, pretrain_epochs=0).made_by.options
    assert (options["clusters"], options["pretrained"]) == (4, None)


def test_the_graph_is_not_kept():
    data = gcl.datasets.load("karate")
    data.x = data.x.clone()
    student = gcl.methods.distil(gcl.methods.dgi(data, hidden=8), data, hidden=(4,))
    assert len(pickle.dumps(student.made_by)) < 3000
    assert student.made_by.options["data"] == {"graph": {"x": {"width": 34, "layout": "dense"}}}


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        (3, 3),
        ((1, [2.5, None]), {"tuple": [1, [2.5, None]]}),
        ({"author": 7}, {"dict": {"author": 7}}),
        (float("inf"), {"number": "inf"}),
        (gcl.losses.uniformity, {"function": "gcl.losses.alignment_uniformity:uniformity"}),
        (nn.Dropout, {"unspelt": "<class 'torch.nn.modules.dropout.Dropout'>"}),
        (torch.ones(2, 3), {"unspelt": "a tensor [2, 3]"}),
    ],
)
def test_spelling(value, spelt):
    assert spell(value) == spelt


def test_an_object_by_the_arguments_of_its_constructor():
    found = spell(gnn.GCN(34, 8, 2, dropout=0.25))
    assert found["class_path"] == "torch_geometric.nn.models.basic_gnn.GCN"
    assert found["init_args"]["dropout"] == 0.25
    assert found["init_args"]["hidden_channels"] == 8


def test_an_object_that_keeps_no_argument_is_named():
    class Closed:
        def __init__(self, inside):
            self.hidden = inside

    assert "which keeps no attribute 'inside'" in spell(Closed(3))["unspelt"]


def test_shapes_of_several_types():
    data = HeteroData()
    data["paper"].x = torch.ones(3, 5).to_sparse_csr()
    data["author"].num_nodes = 2
    data["paper", "to", "author"].edge_index = torch.tensor([[0], [1]])
    data.metapaths = [["paper", "author", "paper"]]
    assert shapes_of(data) == {
        "nodes": {
            "paper": {"num_nodes": 3, "x": {"width": 5, "layout": "csr"}},
            "author": {"num_nodes": 2, "x": None},
        },
        "edges": [["paper", "to", "author"]],
        "metapaths": [["paper", "author", "paper"]],
    }


def test_a_recipe_of_ones_own():
    @recorded()
    def mine(data, *, hidden: int = 4):
        return gcl.methods.dgi(data, hidden=hidden)

    made = mine(Data(x=torch.rand(3, 2), edge_index=torch.zeros(2, 0).long())).made_by
    assert made.name.endswith(".mine") or ":" in made.name
    assert made.options == {"hidden": 4}


def numpys(value):
    """The same value as NumPy has it, in every form that people hand on."""
    if isinstance(value, bool):
        return [np.bool_(value)]
    if isinstance(value, int):
        return [np.int64(value), np.uint8(value)] if 0 <= value < 256 else [np.int64(value)]
    if isinstance(value, float):
        return [np.float64(value)]
    if isinstance(value, tuple) and value and isinstance(value[0], int | float):
        return [tuple(np.array(value)), np.array(value), [np.array(part)[()] for part in value]]
    return []


@pytest.mark.parametrize("name", RECIPES)
def test_numbers_of_numpy_are_pythons(name):
    data, recipe, base = gcl.datasets.load("karate"), getattr(gcl.methods, name), RECIPES[name]
    for option, parameter in list(inspect.signature(recipe).parameters.items())[1:]:
        value = base.get(option, parameter.default)
        torch.manual_seed(0)
        expected = recipe(data, **{**base, option: value})
        for other in numpys(value):
            torch.manual_seed(0)
            made = recipe(data, **{**base, option: other})
            assert "np." not in repr(made)
            if isinstance(other, list):
                assert made.made_by.options[option] == list(value)
            else:
                assert made.made_by == expected.made_by
            assert repr(made) == repr(expected)


@pytest.mark.parametrize("value", [Path("x"), "8", None, (8,), True])
def test_what_is_no_number_is_told_before_anything_is_made(value):
    with pytest.raises(TypeError, match=r"^grace: hidden must be a whole number, got "):
        gcl.methods.grace(gcl.datasets.load("karate"), hidden=value)


def test_paths_are_texts_and_arrays_are_unspelt():
    assert spell({"file": Path("a/b.csv")}) == {"dict": {"file": str(Path("a/b.csv"))}}
    assert spell(np.ones((2, 3))) == {"unspelt": "an array [2, 3]"}
