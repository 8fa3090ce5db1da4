"""Methods in folders: every recipe and variant comes back, and nothing that is foreign runs."""

import json
import sys
from inspect import signature
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
    ("encoder", "said"),
    [
        (
            gnn.GraphSAGE(34, 8, 2, aggr="softmax", aggr_kwargs={"learn": True}),
            r"recipe makes no weights encoder\.convs\.0\.aggr_module\.t",
        ),
        (
            gnn.GraphSAGE(34, 8, 2, aggr="softmax", aggr_kwargs={"semi_grad": True}),
            r"save: encoder\.convs\.0\.aggr_module, a SoftmaxAggregation, is not as grace makes it",
        ),
        (gnn.GCN(34, 8, 2, norm=gnn.LayerNorm(8)), r"makes no weights encoder\.norms\.0\.weight"),
    ],
    ids=["weights", "attribute", "norm"],
)
def test_what_cannot_be_read_is_named(encoder, said, data, tmp_path):
    with pytest.raises(ValueError, match=rf"{said}.*do not tell; write a function in a module"):
        gcl.save(gcl.methods.grace(data, encoder=encoder), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_layer_that_remembers_a_graph_is_refused(data, tmp_path):
    method = gcl.methods.grace(data, encoder=gnn.GCN(34, 8, 2))
    method.encoder.convs[0]._cached_edge_index = data.edge_index, None  # what cached=True keeps
    with pytest.raises(ValueError, match=r"encoder\.convs\.0, a GCNConv, remembers the first"):
        gcl.save(method, tmp_path / "kept")


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


def test_parts_of_numpys_numbers_are_kept(data, tmp_path):
    eight = np.int64(8)
    for i, encoder in enumerate((
        gcl.nn.GCNEncoder(np.int64(34), eight, dropout=np.float64(0.1)),
        gcl.nn.MLPEncoder(34, [eight], eight, dropout=np.float64(0.1)),
        gnn.GIN(np.int64(34), eight, 2, dropout=np.float64(0.1)),
    )):  # fmt: skip
        method = gcl.methods.grace(data, encoder=encoder)
        again = gcl.load(gcl.save(method, tmp_path / str(i)))
        assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))


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


def test_codes_of_categories_are_kept(tmp_path):
    data = gcl.datasets.load("karate")
    data.x = torch.randint(1, 7, (34, 3))
    encoder = gcl.nn.CodeEmbedding(gcl.nn.GCNEncoder(8, 8), [7, 7, 7])
    method = gcl.methods.grace(data, normalize=False, encoder=encoder)
    gcl.save(method, tmp_path / "codes")
    again = gcl.load(tmp_path / "codes")
    assert torch.equal(gcl.embed(method, data), gcl.embed(again, data))


def plain_encoders():
    """Every class of `gcl.nn` that is an encoder of features and edges."""
    nn_ = gcl.nn
    return {
        "GCNEncoder": lambda: nn_.GCNEncoder(34, 8),
        "GINEncoder": lambda: nn_.GINEncoder(34, 8),
        "GINEncoder of 2": lambda: nn_.GINEncoder(34, 8, 2),
        "MLPEncoder": lambda: nn_.MLPEncoder(34, [16], 8),
        "UnitRows": lambda: nn_.UnitRows(nn_.GINEncoder(34, 8)),
        "CodeEmbedding": lambda: nn_.CodeEmbedding(nn_.GCNEncoder(6, 8), [3] * 34, 6),
        "CodeEmbedding of GIN": lambda: nn_.CodeEmbedding(nn_.GINEncoder(6, 8), [3] * 34, 6),
    }


@pytest.mark.parametrize("name", plain_encoders())
def test_every_encoder_is_kept(name, tmp_path):
    data = gcl.datasets.load("karate")
    if "Code" in name:
        data.x = torch.randint(0, 3, (34, 34))
    method = gcl.methods.grace(
        data, encoder=plain_encoders()[name](), mask_feature=(0, 0), normalize=False
    )
    again = gcl.load(gcl.save(method, tmp_path / "kept"))
    assert torch.equal(gcl.embed(again, data), gcl.embed(method, data))


def test_no_encoder_is_left_out():
    """By what they take: features and edges."""
    found = {
        name
        for name in gcl.nn.__all__
        if isinstance(kind := getattr(gcl.nn, name), type)
        and issubclass(kind, nn.Module)
        and {"x", "edge_index"} <= set(signature(kind.forward).parameters)
    }
    assert found == {name.partition(" ")[0] for name in plain_encoders()}
