"""Spelt values come back, and none of another form."""

import pytest
import torch
from torch import nn
from torch_geometric import nn as gnn
from torch_geometric.data import HeteroData

import gcl
from gcl.checkpoint import CheckpointError
from gcl.experiments.unspelling import FOREIGN, class_of, function_of, stand_in, unspell
from gcl.methods.made import shapes_of, spell
from tests.methods import papers


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, "x", [1, [2]], (1, (2, None)), {"author": 7}, float("-inf"), {}, ()],
)
def test_plain_values_come_back(value):
    again = unspell(spell(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "part",
    [
        gcl.losses.HardestNegatives(3, skip=1),
        gcl.transforms.AddMetaPaths([["a", "b", "a"]], topk=[3], ties="index"),
        gcl.augment.EdgeDropping(0.3, undirected=False),
        gnn.GCN(5, 4, 2, act="elu"),
        nn.ELU(0.5),
    ],
    ids=lambda part: type(part).__name__,
)
def test_objects_come_back(part):
    again = unspell(spell(part))
    assert type(again) is type(part)
    assert repr(again) == repr(part)


def test_public_functions_come_back():
    assert unspell(spell(gcl.losses.uniformity)) is gcl.losses.uniformity


@pytest.mark.parametrize(
    "value",
    [
        {"tuple": 3},
        {"dict": []},
        {"number": "12"},
        {"unspelt": "x"},
        {"a": 1, "b": 2},
        {},
        {"class_path": "gcl.losses.infonce.InfoNCE", "init_args": []},
        {"class_path": 3, "init_args": {}},
        {"graph": {"y": 1}},
        {"function": 3},
        (1, 2),
    ],
    ids=str,
)
def test_other_forms_are_refused(value):
    with pytest.raises(CheckpointError):
        unspell(value)


@pytest.mark.parametrize("path", ["os.system", "builtins.eval", "torch.hub.load", "x", ""])
def test_code_of_others_is_not_looked_at(path):
    said = "which is no code of gcl" if "." in path else "is no path of a class"
    with pytest.raises(CheckpointError, match=said):
        class_of(path, ())


def test_trust_is_of_a_module_and_those_inside_it():
    assert class_of("collections.Counter", ("collections",)).__name__ == "Counter"
    assert class_of("collections.abc.Sized", ("collections",)).__name__ == "Sized"
    for trust in ("collection", "collections.abc", ""):
        with pytest.raises(CheckpointError, match="no code of gcl"):
            class_of("collections.Counter", (trust,))
    with pytest.raises(CheckpointError, match="is no class"):
        class_of("collections.namedtuple", ("collections",))


@pytest.mark.parametrize(
    "path", ["mine.model/evil.py:run", "mine.model/evil:run", "mine./evil:run"]
)
def test_a_trusted_module_trusts_no_file(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.model").mkdir()
    (tmp_path / "mine.model" / "evil.py").write_text("open('ran', 'w')\ndef run(data): ...\n")
    for first in (True, False):
        with pytest.raises(CheckpointError, match="no code of gcl"):
            function_of(path, first, ("mine",))
    assert not (tmp_path / "ran").exists()


def test_the_known_layers_are_modules():
    for home, names in FOREIGN.items():
        for name in names:
            assert issubclass(class_of(f"{home}.{name}", ()), nn.Module)


def test_recipes_first_and_variants_then():
    assert function_of("grace", True, ()) is gcl.methods.grace
    assert function_of("macl", False, ()) is gcl.methods.macl
    with pytest.raises(CheckpointError, match="no variant 'grace'"):
        function_of("grace", False, ())
    with pytest.raises(ValueError, match="cannot be imported"):
        function_of("no_such_module:f", True, ("no_such_module",))


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_the_graph_that_stands_in_has_the_same_shapes(layout):
    data = papers.graph()
    data["author"].x = None
    data["author"].num_nodes = 50
    if layout == "csr":
        data["paper"].x = data["paper"].x.to_sparse_csr()
    again = stand_in(shapes_of(data))
    assert isinstance(again, HeteroData)
    assert again.edge_types == data.edge_types
    for kind in data.node_types:
        assert again[kind].num_nodes == data[kind].num_nodes
        assert again[kind].get("x") is None or again[kind].x.shape == data[kind].x.shape
    assert sum(again[kind].edge_index.shape[1] for kind in again.edge_types) == 0


def test_a_large_graph_takes_no_memory():
    data = stand_in({"x": {"width": 2**40, "layout": "dense"}})
    assert data.x.shape[1] == 2**40
    assert data.x.untyped_storage().nbytes() <= 8
    assert torch.equal(data.edge_index, torch.empty(2, 0).long())
