"""Methods in folders: every recipe and variant comes back, and nothing that is foreign runs."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch_geometric import nn as gnn

import gcl
from gcl.checkpoint import CheckpointError, random_state
from gcl.methods import recipes, variants
from tests.experiments.kept import cases, graphs

ROOT = Path(__file__).parents[2]
READ = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import numpy as np
import gcl
from tests.experiments.kept import cases, graphs
known = graphs()
for name, (kind, _) in cases().items():
    z = gcl.embed(gcl.load(name), known[kind])
    np.save(Path(name) / "again.npy", z.numpy())
"""


@pytest.fixture(scope="module")
def everything(run_script, tmp_path_factory):
    """All kinds of methods, trained and saved here, then loaded and embedded elsewhere."""
    folder = tmp_path_factory.mktemp("kept")
    known, embeddings = graphs(), {}
    for name, (kind, make) in cases().items():
        torch.manual_seed(0)
        method = make(known[kind])
        gcl.fit(method, known[kind], epochs=2)
        embeddings[name] = gcl.embed(method, known[kind])
        gcl.save(method, folder / name)
    script = folder / "read.py"
    done = run_script(script, folder=folder, code=READ)
    assert done.returncode == 0, done.stderr
    return folder, embeddings


@pytest.mark.parametrize("name", cases())
def test_the_embeddings_of_another_process_are_the_same_bits(name, everything):
    folder, embeddings = everything
    again = np.load(folder / name / "again.npy")
    assert again.dtype == embeddings[name].numpy().dtype
    assert again.tobytes() == embeddings[name].numpy().tobytes()


def test_no_recipe_and_no_variant_is_left_out():
    names = {part.rpartition("-")[0] or part for name in cases() for part in name.split("+")}
    assert names == {*recipes.__all__, *variants.__all__}


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


@pytest.fixture
def folder(data, tmp_path):
    return gcl.save(gcl.methods.macl(gcl.methods.grace(data, hidden=8, proj=8)), tmp_path / "kept")


def test_the_folder_is_a_repository_of_a_hub(folder):
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    card = (folder / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert "library_name: gcl" in front.splitlines()
    assert body.strip().startswith("# grace+macl")
    assert "gcl.load" in body
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"]["name"] == "grace"
    assert [v["name"] for v in config["variants"]] == ["macl"]
    assert set(config["versions"]) == {"gcl", "torch", "torch_geometric"}
    assert "encoder.weights.0" in safetensors.torch.load_file(folder / "model.safetensors")


def test_it_comes_back_for_further_training(folder, data):
    method = gcl.load(folder)
    assert not method.training
    before = gcl.embed(method, data)
    gcl.fit(method, data, epochs=1)
    assert not torch.equal(gcl.embed(method, data), before)
    gcl.save(method, folder)  # in the place of the other
    assert torch.equal(gcl.embed(gcl.load(folder), data), gcl.embed(method, data))


def test_draws_stay_as_they_were(folder):
    torch.manual_seed(3)
    before = random_state()["torch"]
    gcl.save(gcl.load(folder), folder)
    assert torch.equal(random_state()["torch"], before)


def test_other_precisions_and_devices_of_the_buffers(data, tmp_path):
    data.x = data.x.double()
    method = gcl.methods.progcl(data, hidden=8, proj=8, t0=0).double()
    again = gcl.load(gcl.save(method, tmp_path))
    assert again.encoder.weights[0].dtype == torch.float64
    assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))
    method.encoder.half()
    with pytest.raises(ValueError, match=r"parameters of float16, float64; make them of one kind"):
        gcl.save(method, tmp_path)


@pytest.mark.parametrize(
    "encoder",
    [
        gnn.GCN(34, 8, 2, dropout=0.2, act="elu"),
        gnn.GIN(34, 8, 2),
        gcl.nn.GCNEncoder(34, 16, 8, num_layers=3, norm="batch", plain_last=True),
        gcl.nn.MLPEncoder(34, (16,), 8, dropout=0.1),
    ],
    ids=lambda e: type(e).__name__,
)
def test_encoders_that_tell_their_arguments(encoder, data, tmp_path):
    method = gcl.methods.grace(data, encoder=encoder)
    again = gcl.load(gcl.save(method, tmp_path))
    assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))
    assert str(again.encoder) == str(encoder)


@pytest.mark.parametrize(
    "encoder",
    [
        gnn.GAT(34, 8, 2, heads=4),
        gnn.GraphSAGE(34, 8, 2, aggr="max"),
        gnn.GCN(34, 8, 2, normalize=False),  # seen in the embeddings alone
    ],
    ids=lambda e: type(e).__name__,
)
def test_encoders_that_do_not_are_refused(encoder, data, tmp_path):
    with pytest.raises(ValueError, match=r"their attributes do not tell\. Write a function"):
        gcl.save(gcl.methods.grace(data, encoder=encoder), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


OWN = """
from pathlib import Path
import torch, gcl
from torch import nn
Path("ran.txt").touch()

class Wide(nn.Module):
    def __init__(self, width, out_channels=4):
        super().__init__()
        self.width, self.out_channels = width, out_channels
        self.linear = nn.Linear(width, out_channels)
    def forward(self, x, edge_index, edge_weight=None):
        return self.linear(x)

def make(width=34):
    views = (gcl.augment.FeatureMasking(0.2), gcl.augment.FeatureMasking(0.4))
    return gcl.methods.TwoView(Wide(width), views, gcl.losses.BarlowTwins())

def recipe(data, *, hidden: int = 4):
    return gcl.methods.grace(data, hidden=hidden)

class Bomb:
    def __init__(self, word=""):
        Path("ran.txt").touch()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_parts"
    sys.modules.pop("own_parts", None)


def forget(tmp_path):
    """As in a process that has not met the module."""
    sys.modules.pop("own_parts", None)
    (tmp_path / "ran.txt").unlink()


def test_a_method_by_hand_is_saved_by_the_function_that_makes_it(own, data, tmp_path):
    import own_parts

    method = own_parts.make()
    with pytest.raises(ValueError, match=r"nothing tells how this TwoView was made.*made_by="):
        gcl.save(method, "kept")
    folder = gcl.save(method, "kept", made_by="own_parts:make", options={"width": 34})
    forget(tmp_path)
    with pytest.raises(CheckpointError, match=r"own_parts:make, which.*trust=\('own_parts',\)"):
        gcl.load(folder)
    assert not (tmp_path / "ran.txt").exists()
    again = gcl.load(folder, trust="own_parts")
    assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))
    with pytest.raises(ValueError, match=r"own_parts:make does not make this TwoView again"):
        gcl.save(method, "other", made_by="own_parts:make", options={"width": 33})


def test_parts_and_recipes_of_ones_own(own, data, tmp_path):
    import own_parts

    from gcl.experiments.composition import compose

    method = gcl.methods.grace(data, encoder=own_parts.Wide(34))
    second = compose("own_parts:recipe+macl").build(data, {"hidden": 6})
    folders = gcl.save(method, "first"), gcl.save(second, "second")
    forget(tmp_path)
    for folder in folders:
        with pytest.raises(CheckpointError, match=r"trust=\('own_parts',\)"):
            gcl.load(folder)
        assert not (tmp_path / "ran.txt").exists()
    for folder, made in zip(folders, (method, second), strict=True):
        again = gcl.load(folder, trust=("own_parts",))
        assert torch.equal(gcl.embed(again, data), gcl.embed(made, data))


def test_what_was_changed_since_is_refused(data, tmp_path):
    method = gcl.methods.grace(data, hidden=8)
    method.objective = gcl.losses.InfoNCE(0.9)
    with pytest.raises(ValueError, match="is not as grace makes it"):
        gcl.save(method, tmp_path)
    method.head = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="does not make this TwoView again"):
        gcl.save(method, tmp_path)


def test_options_without_a_spelling_are_named(data, tmp_path):
    labels = gcl.losses.ClusterNegatives(torch.arange(34) % 3)
    method = gcl.methods.with_negatives(gcl.methods.grace(data, hidden=8), labels)
    with pytest.raises(ValueError, match=r"option negatives of with_negatives is a(n| t).*no file"):
        gcl.save(method, tmp_path)


def test_files_of_others_are_not_overwritten(data, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"has a README\.md that is no saved method"):
        gcl.save(gcl.methods.dgi(data, hidden=4), tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    with pytest.raises(ValueError, match="is a file"):
        gcl.save(gcl.methods.dgi(data, hidden=4), tmp_path / "README.md")
    with pytest.raises(TypeError, match=r"must be a gcl\.Method"):
        gcl.save(nn.Linear(2, 2), tmp_path)


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
    "a number for a name": (at("recipe", "name", value=3), "3 is no name"),
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
    "huge features": (at("data", "graph", "x", "width", value=2**62), "no number of nodes"),
    "large features": (at("data", "graph", "x", "width", value=10**9), "larger than its weights|"),
    "negative features": (at("data", "graph", "x", "width", value=-3), "no number of nodes"),
    "other features": (at("data", "graph", "x", "width", value=33), "size mismatch"),
    "another width": (at("recipe", "options", "hidden", value=9), "size mismatch"),
    "no variant": (at("variants", value=[]), "[Uu]nexpected key|size mismatch|Missing"),
    "variants of text": (at("variants", value="macl"), "without name and options"),
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
    "nothing but null": (at("recipe", value=None), "without name and options"),
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


def test_codes_of_categories_are_kept(tmp_path):
    data = gcl.datasets.load("karate")
    data.x = torch.randint(1, 7, (34, 3))
    encoder = gcl.nn.CodeEmbedding(gcl.nn.GCNEncoder(8, 8), [7, 7, 7])
    method = gcl.methods.grace(data, normalize=False, encoder=encoder)
    gcl.save(method, tmp_path / "codes")
    again = gcl.load(tmp_path / "codes")
    assert torch.equal(gcl.embed(method, data), gcl.embed(again, data))
