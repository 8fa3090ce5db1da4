"""Files made to harm, and files that chance has changed: one sentence that names the file."""

from __future__ import annotations

import io
import json
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_of

from gcl import checkpoint
from gcl.checkpoint import CheckpointError
from tests.mutated_files import READERS, training
from tests.scripts import ROOT

DEEP = "[" * 100_000 + "]" * 100_000
HUGE = 10**12
LONG_FIELD = "seed,accuracy\n0," + "9" * 200_000 + "\n"


def header(spec: str, shape: str) -> bytes:
    """An array of NumPy that announces what it likes, and has eight bytes."""
    text = f"{{'descr': '{spec}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)


def put(path: Path, **arrays: Any) -> None:
    """Other members in place of those of an archive; bytes are written as they are."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for name, array in arrays.items():
        if not isinstance(array, bytes):
            with io.BytesIO() as file:
                np.save(file, np.asarray(array))
                array = file.getvalue()
        members[f"{name}.npy"] = array
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def announce(path: Path, size: int) -> None:
    """An archive whose directory says that its first member unpacks to so many bytes."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


CRAFTED: list[tuple[str, str, Any, str]] = [
    ("npz", "toy.npz", lambda p: put(p, attr_shape=[9, HUGE]), r"a matrix of shape \(9, 10{12}\)"),
    ("npz", "toy.npz", lambda p: put(p, attr_shape=[HUGE, 4]), "rows do not fit"),
    ("npz", "toy.npz", lambda p: put(p, adj_shape=[9, HUGE]), "a matrix of shape"),
    ("npz", "toy.npz", lambda p: put(p, adj_shape=[9.0, 9.0]), "a sparse matrix of shape"),
    ("npz", "toy.npz", lambda p: put(p, labels=[0.5] * 9), "fractions"),
    ("npz", "toy.npz", lambda p: put(p, labels=[np.nan] * 9), "not finite"),
    ("npz", "toy.npz", lambda p: put(p, labels=[0] * 8), r"labels of shape \(8,\)"),
    ("npz", "toy.npz", lambda p: put(p, labels=header("<i8", f"({HUGE},)")), "that has 8 bytes"),
    ("npz", "toy.npz", lambda p: put(p, labels=header("|O", "(1,)")), "neither numbers nor bytes"),
    ("npz", "toy.npz", lambda p: put(p, labels=header("<i8", "(" * 300)), "whose header is none"),
    ("npz", "toy.npz", lambda p: put(p, labels=b"\x93NUMPY\x02\0\xff\xff\xff\xff" + bytes(9)),
     "a header of 4294967295 bytes"),
    ("npz", "toy.npz", lambda p: announce(p, 2**32 - 2), "it unpacks to 42949"),
    ("hetero", "p_feat.npz", lambda p: put(p, shape=[4, HUGE]), "a matrix of shape"),
    ("hetero", "p_feat.npz", lambda p: put(p, shape=[HUGE, 3]), "there are 4 nodes"),
    ("hetero", "p_feat.npz", lambda p: put(p, col=[HUGE, 0, 1]), "outside its rows and columns"),
    ("hetero", "p_feat.npz", lambda p: put(p, format=np.array(b"dia")), "in the format b'dia'"),
    ("hetero", "a_feat.npz", lambda p: p.write_bytes(header("<f8", f"({HUGE}, 2)")), "has 8 bytes"),
    ("hetero", "labels.npy", lambda p: p.write_bytes(header("<i8", f"({HUGE},)")), "has 8 bytes"),
    ("hetero", "train_20.npy", lambda p: p.write_bytes(header("<f8", "(1, 1)")), "no list"),
    ("hetero", "pa.txt", lambda p: p.write_text(f"0 {HUGE}\n"), "a link leads outside"),
    ("planetoid", "ind.toy.test.index", lambda p: replace(p, "39", str(HUGE)), "names node 10000"),
    ("tu", "TOY_node_labels.txt", lambda p: replace(p, "6", "100000000"), "run from 4 to 1000"),
    ("tu", "TOY_node_labels.txt", lambda p: p.write_text(f"{-(2**63)}\n" * 5 + f"{2**63 - 1}\n"),
     "its labels run from -9223372036854775808 to 9223372036854775807"),
    ("tu", "TOY_edge_labels.txt", lambda p: replace(p, "1", str(HUGE)), "its labels run"),
    ("tu", "TOY_graph_indicator.txt", lambda p: replace(p, "3\n3", f"3\n{HUGE}"), "lie in others"),
    ("tu", "TOY_A.txt", lambda p: replace(p, "6, 5", f"6, {2**63 - 1}"), "names a node outside"),
    ("tu", "TOY_node_labels.txt", lambda p: replace(p, "6", "6.5"), "TOY_node_labels.txt is not"),
    ("tu", "TOY_graph_labels.txt", lambda p: p.write_text("\n \n"), "TOY_graph_labels.txt is not"),
    ("wikics", "data.json", lambda p: p.write_text(DEEP), "recursion"),
    ("wikics", "data.json", lambda p: replace(p, "[[1, 1]", f"[[1, {HUGE}]"), "outside 0..2"),
    ("wikics", "data.json", lambda p: replace(p, "[0, 1, 1]", "[0, 1, 0.5]"), "3 whole numbers"),
    ("wikics", "data.json", lambda p: replace(p, "0.5", "NaN"), "no finite numbers"),
    ("wikics", "data.json", lambda p: replace(p, "0.5", "9" * 5000), "digits|finite|too large"),
    ("wikics", "data.json", lambda p: replace(p, "[[true, false", "[[0.5, false"), "its masks"),
    ("results", "results.csv", lambda p: p.write_text(LONG_FIELD), "field larger than field limit"),
    ("results", "results.csv", lambda p: replace(p, "0.8\n", "0.8,7\n"), "has not the 4 columns"),
    ("results", "results.csv", lambda p: replace(p, ",0.8\n", "\n"), "has not the 4 columns"),
    ("run", "run.json", lambda p: p.write_text(DEEP), "recursion"),
    ("run", "run.json", lambda p: p.write_bytes(b"\xff\xfe\0"), "decode"),
    ("run", "run.json", lambda p: replace(p, '"epochs": 200', '"epochs": "no"'), "epochs is 'no'"),
    ("run", "run.json", lambda p: replace(p, '"seeds": [', '"seeds": -1, "x": ['), "seeds is -1"),
    ("run", "run.json", lambda p: replace(p, '"dataset": "karate"', '"dataset": 7'), "dataset is"),
    ("config", "toy.toml", lambda p: p.write_text(f"a = {DEEP}"),
     "is not valid TOML: .*(recursion|nested)"),
    ("config", "toy.toml", lambda p: p.write_text("a = " + "9" * 5000), "is not valid TOML"),
    ("config", "toy.toml", lambda p: replace(p, "hidden = 8", "hidden = 1979-05-27"), "dates"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "spoil", "message"),
    CRAFTED,
    ids=[f"{name} {i}" for i, (name, *_) in enumerate(CRAFTED)],
)
def test_crafted_files_are_refused_before_they_take_memory(tmp_path, name, file, spoil, message):
    reader = READERS[name]
    reader.make(tmp_path)
    reader.read(tmp_path)
    path = tmp_path / file
    spoil(path)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as caught:
            reader.read(tmp_path)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    named = str(path) if name != "run" else str(tmp_path)
    assert named in str(caught.value) or f"{name}_" in str(caught.value) or "TOY_" in file
    assert str(caught.value).endswith(".")
    assert taken < 100 * size + (16 << 20)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    training(folder, 2)
    return checkpoint.load(folder / "c.safetensors")


def resumed(folder: Path, tree: Any) -> None:
    """Goes on from a file with a checksum that is right."""
    checkpoint.save(tree, folder / "c.safetensors")
    training(folder, 3, resume=True)


def within(tree: Any, *path: Any, value: Any) -> Any:
    """The same tree with another value at one place."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree, dict):
        return {**tree, key: within(tree.get(key), *rest, value=value)}
    items = list(tree)
    items[key] = within(items[key], *rest, value=value)
    return type(tree)(items)


def test_a_checkpoint_of_this_form_is_resumed(trained, tmp_path):
    resumed(tmp_path, trained)


@pytest.mark.parametrize(
    "key",
    ["epoch", "step", "history", "stop", "method", "optimizer", "scheduler", "callbacks", "random"],
)
def test_a_checkpoint_that_lacks_a_part_is_refused(trained, tmp_path, key):
    with pytest.raises(CheckpointError, match=f"c.safetensors: .* it has no '{key}'"):
        resumed(tmp_path, {k: v for k, v in trained.items() if k != key})
    with pytest.raises(CheckpointError, match=f"c.safetensors: .* its '{key}' is a float"):
        resumed(tmp_path, {**trained, key: 0.5})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["epoch"], -5, "it tells of -5 epochs"),
        (["epoch"], True, "its 'epoch' is a bool"),
        (["step"], 1, "2 epochs, 1 steps and 2 losses"),
        (["history"], [], "2 epochs, 2 steps and 0 losses"),
        (["history", 0], {"loss": "low"}, "no number for one of"),
        (["callbacks", 0], ["EarlyStopping"], "no name with a state"),
        (["callbacks", 0, 1], {"best": 0.1}, "does not fit the callback EarlyStopping"),
        (["callbacks", 0, 1, "best_weights"], {"a": 1}, "best weights of EarlyStopping"),
        (["method"], {3: torch.ones(1)}, "its weights have no names"),
        (["method"], {}, "does not fit this method or optimizer: .*Missing key"),
        (["optimizer"], {}, "its optimizer has no state or no groups"),
        (["optimizer", "param_groups", 0, "lr"], "fast", "its 'lr' is 'fast'"),
        (["optimizer", "param_groups", 0, "lr"], -1.0, "its state makes no step: Invalid learning"),
        (
            ["optimizer", "param_groups", 0, "params"],
            [0],
            "size of optimizer's group|doesn't match",
        ),
        (["optimizer", "state", 0, "exp_avg"], torch.ones(9, 9), "its state makes no step"),
        (["optimizer", "state", 0], {"step": 1.0}, "its state makes no step: 'exp_avg'"),
        (["optimizer", "state", 0], (), "its state makes no step"),
        (["scheduler", "last_epoch"], float("nan"), "its 'last_epoch' is nan"),
        (["scheduler", "step"], 5, "learning-rate scheduler: 'step' is no state of it"),
        (["scheduler"], {}, "learning-rate scheduler: it has no"),
        (["random", "numpy", 1], 10**9, "random generators .* other sizes"),
        (["random", "numpy", 0], torch.zeros(3).long(), "random generators .* other sizes"),
        (["random", "torch"], torch.zeros(9, dtype=torch.uint8), "random generators"),
        (["random", "python"], (3, (1,), None), "random generators"),
    ],
)
def test_a_checkpoint_with_a_right_checksum_and_wrong_values(
    trained, tmp_path, path, value, message
):
    state = torch.get_rng_state()
    with pytest.raises(CheckpointError, match=rf"c\.safetensors: .*{message}") as caught:
        resumed(tmp_path, within(trained, *path, value=value))
    assert "\n" not in str(caught.value)
    torch.set_rng_state(state)


def sealed(tree: str) -> bytes:
    """A file whose checksum fits whatever stands in it."""
    metadata = {"format": "gcl-checkpoint-1", "tree": tree}
    metadata["sha256"] = checkpoint._digest(tree, {})
    return safetensors_of({}, metadata)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (sealed(DEEP), "not of the form that gcl writes .*recursion"),
        (sealed("{"), "not of the form"),
        (sealed('{"tensor": "w"}'), "not of the form"),
        (sealed('{"pickle": "w"}'), "there is no kind 'pickle'"),
        (sealed('{"dict": [[[], 1]]}'), "not of the form"),
        (sealed('{"dict": 1}'), "not of the form"),
        (safetensors_of({}, {"format": "gcl-checkpoint-1"}), "not of the form .*'sha256'"),
        (struct.pack("<Q", 2**62) + b"{}", "not a readable checkpoint"),
        (
            struct.pack("<Q", 68)
            + json.dumps(
                {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
            ).ljust(68).encode(),
            "not a readable checkpoint",
        ),
    ],
)  # fmt: skip
def test_containers_of_checkpoints_that_lie(tmp_path, content, message):
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{re.escape(str(path))} is .*{message}"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "count", [100, pytest.param(10_000, marks=pytest.mark.slow, id="ten thousand")]
)
@pytest.mark.parametrize("name", READERS)
def test_mutated_files_are_read_or_refused(run_script, tmp_path, name, count):
    """In a process of its own, with little memory: a crash would be seen."""
    done = run_script(ROOT / "tests" / "mutated_files.py", name, count, tmp_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert not told["odd"], "\n".join(map(str, told["odd"]))
    assert told["read"] + told["refused"] == count
    assert told["read"] > 0
    assert told["megabytes"] < 300
    assert told["slowest"] < 20
