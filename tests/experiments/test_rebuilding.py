"""Folders that are damaged or foreign: one sentence each, and nothing of them runs."""

import hashlib
import json
import re
import shutil
import sys

import pytest
import safetensors.torch
import torch
from torch_geometric import nn as gnn

import gcl
from gcl.checkpoint import CheckpointError
from tests.experiments.kept import cases, graphs
from tests.experiments.own_code import OWN


def changed(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def at(*keys, value):
    def change(config):
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


BOMB = {"class_path": "own_parts.Bomb", "init_args": {"word": "boom"}}
POPEN = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "ran.txt"]}}
DEEP = json.loads("[" * 900 + "]" * 900)
FOREIGN = {
    "an unknown format": (at("format", value="gcl-method-99"), "reads gcl-method-1; take a newer"),
    "another library": (at("format", value="other"), "of no method of gcl"),
    "no recipe": (lambda c: c.pop("recipe"), "lacks recipe"),
    "an unknown recipe": (at("recipe", "name", value="grase"), "there is no recipe 'grase'"),
    "a recipe that is none": (at("recipe", "name", value="__init__"), "there is no recipe"),
    "a variant as recipe": (at("recipe", "name", value="macl"), "there is no recipe 'macl'"),
    "a number for a name": (at("recipe", "name", value=3), "a call without name"),
    "a module": (at("recipe", "name", value="os:system"), "os:system, which is no code of gcl"),
    "a file": (at("recipe", "name", value="../../own_parts.py:make"), "which is no code of gcl"),
    "a file alone": (at("recipe", "name", value="own_parts.py"), "which is no code of gcl"),
    "an unknown option": (at("recipe", "options", "hiden", value=3), "no option 'hiden'"),
    "an option out of range": (at("recipe", "options", "tau", value=-1), "tau"),
    "an option of another kind": (at("recipe", "options", "hidden", value="8"), "hidden|widths"),
    "a huge width": (at("recipe", "options", "hidden", value=10**12), "fits no method"),
    "a large width": (at("recipe", "options", "hidden", value=60_000), "larger than its weights"),
    "many layers": (at("recipe", "options", "num_layers", value=60_000), "larger than its w"),
    "huge layers": (at("recipe", "options", "num_layers", value=10**9), "fits no method"),
    "huge features": (at("data", "graph", "x", "width", value=2**62), "fits no method"),
    "large features": (at("data", "graph", "x", "width", value=10**9), "1e.09 fits no method"),
    "negative features": (at("data", "graph", "x", "width", value=-3), "no number of nodes"),
    "other features": (at("data", "graph", "x", "width", value=33), r"are \[34, 16\], and its"),
    "wide features": (at("data", "graph", "x", "width", value=60_000), "larger than its weights"),
    "another width": (at("recipe", "options", "hidden", value=9), r"its recipe makes \[34, 18\]"),
    "no variant": (at("variants", value=[]), "its recipe makes no weights obj"),
    "variants of text": (at("variants", value="macl"), 'is "macl", not a list of calls'),
    "a class of the system": (at("recipe", "options", "encoder", value=POPEN), "subprocess"),
    "a class of one's own": (at("recipe", "options", "encoder", value=BOMB), "own_parts:Bomb"),
    "a function": (
        at("recipe", "options", "encoder", value={"function": "os:getcwd"}),
        "os:getcwd, which is no code of gcl",
    ),
    "a hidden function of gcl": (
        at("recipe", "options", "encoder", value={"function": "gcl.checkpoint:save"}),
        "no public part",
    ),
    "a hidden class of gcl": (
        at("recipe", "options", "encoder", value={"class_path": "gcl.cli.options.Parser",
                                                  "init_args": {"prog": "x"}}),
        "no public part",
    ),
    "a function of torch": (
        at("recipe", "options", "encoder", value={"class_path": "torch.load",
                                                  "init_args": {"f": "own_parts.py"}}),
        "torch:load, which is no code of gcl",
    ),
    "what is unspelt": (at("recipe", "options", "encoder", value={"unspelt": "x"}), "'unspelt'"),
    "a deep list": (at("recipe", "options", "tau", value=DEEP), "."),
    "another dtype": (at("dtype", value="float64"), "not of the form|"),
    "no dtype": (at("dtype", value="str"), "'str' is no kind"),
    "a tensor that is not there": (at("extra", value={"x": {"tensor": "y"}}), "'y'"),
    "text for options": (at("recipe", "options", value="tau"), "without name and options"),
    "nothing but null": (at("recipe", value=None), "is null, not a call"),
    "a list of a graph": (at("data", value=[1]), "."),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_configuration_is_one_sentence_and_runs_nothing(name, folder, own, tmp_path):
    change, said = FOREIGN[name]
    changed(folder, change)
    with pytest.raises(CheckpointError, match=said) as caught:
        gcl.load(folder)
    assert str(caught.value).startswith(f"load: {folder} holds no method that can be read: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.parametrize("trust", [None, 3, [None], {"own_parts": 1}])
def test_trust_is_of_names(trust, folder):
    with pytest.raises(TypeError, match=r"load: trust must be names of modules.*leave it out"):
        gcl.load(folder, trust=trust)
    with pytest.raises(TypeError, match=r"Embedder\.load: trust must be names of modules"):
        gcl.Embedder.load(folder, trust=trust)


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_weights_that_were_cut_off(length, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"is not the file that.*take another copy"):
        gcl.load(folder)
    changed(folder, at("sha256", value=hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(CheckpointError, match=r"is no safetensors file.*take another copy"):
        gcl.load(folder)


TAKEN = """
from functools import partial
from os import system
from pathlib import Path
from subprocess import Popen
part = partial(system)
"""


@pytest.mark.parametrize("name", ["taken:system", "taken:part", "taken:Popen", "taken:Path"])
def test_what_a_trusted_module_imported_is_not_trusted(name, data, own, tmp_path):
    (tmp_path / "taken.py").write_text(TAKEN)
    where = tmp_path / "kept"
    gcl.save(gcl.methods.grace(data, hidden=8), where)
    call = {"name": name, "options": {"command": "touch ran.txt", "args": "true"}}
    encoder = {"class_path": name.replace(":", "."), "init_args": call["options"]}
    for change in (
        at("recipe", value=call),
        at("variants", value=[call]),
        at("recipe", "options", "encoder", value=encoder),
        at("recipe", "options", "encoder", value={"function": name}),
        at("recipe", "name", value=name.replace(":", ".py:")),
    ):
        gcl.save(gcl.methods.grace(data, hidden=8), where)
        changed(where, change)
        with pytest.raises(CheckpointError, match=r"does not define: it is of .*of your own in"):
            gcl.load(where, trust=("taken", "taken.py"))
    assert not (tmp_path / "ran.txt").exists()
    sys.modules.pop("taken", None)


def test_what_is_inside_a_trusted_package_is_trusted_by_any_of_its_names(
    data, tmp_path, monkeypatch
):
    (tmp_path / "package_kept").mkdir()
    (tmp_path / "package_kept" / "__init__.py").write_text("from package_kept.inner import make\n")
    (tmp_path / "package_kept" / "inner.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import package_kept

    name = "package_kept:make"
    folder = gcl.save(package_kept.make(), tmp_path / "kept", made_by=name)
    assert gcl.load(folder, trust="package_kept").made_by.name == name


def test_names_are_seen_to_before_anything_is_made(folder, own, tmp_path):
    changed(folder, at("recipe", "options", "encoder", value=BOMB))
    changed(folder, at("variants", 0, "name", value="nope"))
    with pytest.raises(CheckpointError, match="no variant 'nope'"):
        gcl.load(folder, trust=own)
    changed(folder, at("variants", 0, "name", value="macl"))
    changed(folder, at("recipe", "options", "nope", value=3))
    with pytest.raises(CheckpointError, match="no option 'nope'"):
        gcl.load(folder, trust=own)
    assert not (tmp_path / "ran.txt").exists()


SEVERAL = {"name": "several_seeds", "options": {"seeds": 4, "width": None}}
MANY = {
    "copies of copies": at("variants", value=[SEVERAL] * 6),
    "variants": at("variants", value=[{"name": "macl", "options": {}}] * 3000),
    "layers": at("recipe", "options", "num_layers", value=5000),
    "layers of PyG": at("recipe", "options", "encoder", "init_args", "num_layers", value=5000),
}


@pytest.mark.parametrize("name", MANY)
def test_what_would_be_made_is_counted_while_it_is(name, data, tmp_path, monkeypatch):
    torch.manual_seed(0)
    encoder = gnn.GCN(34, 512, 2) if "PyG" in name else None
    options = {"encoder": encoder} if encoder else {"hidden": 512}
    folder = gcl.save(gcl.methods.grace(data, **options, proj=64), tmp_path / "kept")
    if "layers" in name:  # many of them are still few numbers
        width = ("encoder", "init_args", "hidden_channels") if encoder else ("hidden",)
        changed(folder, at("recipe", "options", *width, value=4))
    changed(folder, MANY[name])
    made = [0]

    def count(*_):
        made[0] += 1

    handle = torch.nn.modules.module.register_module_module_registration_hook(count)
    try:
        with pytest.raises(CheckpointError, match=r"larger than its weights|3000 variants, more"):
            gcl.load(folder)
    finally:
        handle.remove()
    assert made[0] < 2000


def test_as_many_copies_as_there_are_weights_for_come_back(data, tmp_path):
    inner = gcl.methods.several_seeds(gcl.methods.bgrl(data, hidden=16), seeds=3)
    method = gcl.methods.several_seeds(inner, seeds=4)
    again = gcl.load(gcl.save(method, tmp_path / "kept"))
    assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))


def test_frozen_weights_come_back_frozen(data, tmp_path):
    method = gcl.methods.several_seeds(gcl.methods.bgrl(data, hidden=8), seeds=2)
    method.requires_grad_(True)
    frozen = [name for name, _ in method.named_parameters()][1::2]
    for name in frozen:
        method.get_parameter(name).requires_grad_(False)
    folder = gcl.save(method, tmp_path / "kept")
    again = gcl.load(folder)
    assert [name for name, p in again.named_parameters() if not p.requires_grad] == frozen
    changed(folder, at("frozen", value=["nope"]))
    with pytest.raises(CheckpointError, match="no weights 'nope' that could be frozen"):
        gcl.load(folder)
    changed(folder, lambda config: config.pop("frozen"))  # of a folder that does not tell
    gcl.load(folder)


def places(value, *path):
    """The path to every value inside, the innermost last."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*path, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], *path, key)


DELETED = object()
OTHERS = {
    "deleted": DELETED, "null": None, "a number": 7, "a fraction": 0.37, "a string": "nope",
    "a list": ["nope"], "an object": {"nope": 1}, "a huge number": 10**18, "a large one": 10**9,
    "below 0": -(10**9), "true": True, "code": {"function": "own_parts:make"}, "a class": BOMB,
}  # fmt: skip


def kinds_of_folders(folder):
    """Of one graph, of several types, and by hand."""
    karate, types = gcl.datasets.load("karate"), graphs()["types"]
    made = gcl.methods.grace(karate, encoder=gnn.GIN(34, 4, 2, train_eps=True))
    gcl.save(gcl.methods.macl(made), folder / "nodes")
    gcl.save(cases()["heco"][1](types), folder / "types")
    return folder / "nodes", folder / "types"


@pytest.mark.parametrize("kind", [0, 1], ids=["nodes", "types"])
def test_every_value_of_a_configuration_replaced_is_read_or_one_sentence(kind, own, tmp_path):
    folder = kinds_of_folders(tmp_path)[kind]
    path = folder / "config.json"
    content = path.read_text()
    before = set(sys.modules)
    for place in places(json.loads(content)):
        for name, value in OTHERS.items():
            config = json.loads(content)
            inner = config
            for key in place[:-1]:
                inner = inner[key]
            if value is DELETED:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            path.write_text(json.dumps(config))
            try:
                gcl.load(folder)
            except CheckpointError as error:
                said = str(error)
                assert said.startswith(f"load: {folder} holds no method that can be read: "), said
                assert said.endswith("."), said
                assert "\n" not in said, said
                assert "; " in said, said  # what to do
                assert len(said) < 900, said
                reason = said.split("can be read: ")[1]
                assert not re.match(r"'[^']*'[;.]|unhashable", reason), (place, name, said)
            assert not (tmp_path / "ran.txt").exists(), (place, name)
    assert not {name for name in set(sys.modules) - before if name.startswith("own")}


def test_a_number_of_members_that_no_file_holds(data, tmp_path):
    method = gcl.methods.several_seeds(gcl.methods.dgi(data, hidden=4), seeds=2)
    folder = gcl.save(method, tmp_path / "kept")
    changed(folder, lambda c: c["variants"][0]["options"].update(seeds=50_000))
    with pytest.raises(CheckpointError, match="seeds = 5e\\+04 fits no method"):
        gcl.load(folder)


def test_a_path_to_a_file_beside_it_is_not_followed(data, tmp_path):
    method = gcl.methods.pamc(data, hidden=(8,), dim=4, pretrain_epochs=0)
    folder = gcl.save(method, tmp_path / "kept")
    changed(folder, at("recipe", "options", "pretrained", value="../../etc/passwd"))
    with pytest.raises(CheckpointError, match="names a file beside it"):
        gcl.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file(name, folder, tmp_path):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no saved method, {name} is missing"):
        gcl.load(folder)
    with pytest.raises(FileNotFoundError, match="holds no saved method"):
        gcl.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 10**5])
def test_a_configuration_that_is_none(content, folder):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json is (no JSON|of no method)"):
        gcl.load(folder)
    (folder / "config.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(CheckpointError, match="longer than any"):
        gcl.load(folder)


def test_weights_of_another_method_and_damaged_ones(folder, data, tmp_path):
    other = gcl.save(gcl.methods.macl(gcl.methods.grace(data, hidden=8, proj=8)), tmp_path / "two")
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match=r"not the file that config\.json was written with"):
        gcl.load(folder)
    content = b"\x00" * 100
    (folder / "model.safetensors").write_bytes(content)
    changed(folder, at("sha256", value=hashlib.sha256(content).hexdigest()))
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        gcl.load(folder)


@pytest.mark.parametrize("keep", ["fewer", "more", "wider", "other dtype"])
def test_weights_must_be_all_and_no_others(keep, folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    first = next(key for key in tensors if key.startswith("encoder"))
    if keep == "fewer":
        tensors.pop(first)
    elif keep == "more":
        tensors["extra"] = torch.ones(2)
    elif keep == "wider":
        tensors[first] = torch.ones(3, 3)
    else:
        tensors[first] = tensors[first].half()
    content = safetensors.torch.save(tensors)
    (folder / "model.safetensors").write_bytes(content)
    changed(folder, at("sha256", value=hashlib.sha256(content).hexdigest()))
    with pytest.raises(CheckpointError, match="holds no method that can be read"):
        gcl.load(folder)
