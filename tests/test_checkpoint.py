"""The checkpoint file: what goes in comes out, damage is found, nothing is half written."""

import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl import checkpoint
from gcl.checkpoint import CheckpointError, make_folder

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.text(max_size=5) | st.integers()
trees = st.recursive(
    leaves,
    lambda t: st.lists(t) | st.dictionaries(keys, t) | st.lists(t).map(tuple),
    max_leaves=20,
)


@settings(max_examples=50, deadline=None)
@given(tree=trees)
def test_round_trip(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("c") / "c.safetensors"
    checkpoint.save(tree, path)
    assert checkpoint.load(path) == tree


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool]
)
def test_tensors_bit_for_bit(dtype, tmp_path):
    tensors = {
        3: torch.tensor(2.7).to(dtype),
        "m": torch.randn(4, 3).to(dtype).t(),
        "e": torch.empty(0, 2),
    }
    checkpoint.save(tensors, tmp_path / "deep" / "c")
    loaded = checkpoint.load(tmp_path / "deep" / "c")
    for key, tensor in tensors.items():
        assert loaded[key].dtype == tensor.dtype
        assert torch.equal(loaded[key], tensor)


def test_every_kind_of_damage_is_one_clear_error(tmp_path):
    path = tmp_path / "c"
    checkpoint.save({"w": torch.ones(100)}, path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-7] ^= 1
    for damaged in (content[:50], content[: len(content) // 2], b"", b"not a file", bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"damaged|not a readable"):
            checkpoint.load(path)


def test_other_safetensors_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "other")
    with pytest.raises(CheckpointError, match="not a checkpoint of gcl"):
        checkpoint.load(tmp_path / "other")


def test_unknown_types_are_named(tmp_path):
    with pytest.raises(TypeError, match="/a/0 is a object"):
        checkpoint.save({"a": [object()]}, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c"
    checkpoint.save({"epoch": 1}, path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save({"epoch": 2}, path)
    assert checkpoint.load(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_random_states_come_back(tmp_path):
    checkpoint.save(checkpoint.random_state(), tmp_path / "r")
    drawn = torch.rand(2), np.random.rand(), random.random()  # noqa: NPY002
    torch.rand(9), np.random.rand(9), random.random()  # noqa: NPY002
    checkpoint.set_random_state(checkpoint.load(tmp_path / "r"))
    again = torch.rand(2), np.random.rand(), random.random()  # noqa: NPY002
    assert torch.equal(drawn[0], again[0])
    assert drawn[1:] == again[1:]


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path):
    path = tmp_path / "c[1].json"
    stale = tmp_path / ".c[1].json.0123456789abcdef.tmp"
    fresh = tmp_path / ".c[1].json.456789abcdef0123.tmp"
    other = tmp_path / ".c1.json.0123456789abcdef.tmp"
    for left in (stale, fresh, other):
        left.write_bytes(b"half")
    long_ago = time.time() - checkpoint.STALE - 1
    for left in (stale, other):
        os.utime(left, (long_ago, long_ago))
    checkpoint.write_atomically(path, b"whole")
    assert {p.name for p in tmp_path.iterdir()} == {path.name, fresh.name, other.name}
    assert path.read_bytes() == b"whole"


def test_two_processes_of_one_number_do_not_share_a_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)
    seen = []
    replace = os.replace

    def meanwhile(source, target):
        seen.append(source)
        if len(seen) == 1:  # the other container writes the same file in the middle of this one
            checkpoint.write_atomically(tmp_path / "c", b"theirs")
        replace(source, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    checkpoint.write_atomically(tmp_path / "c", b"ours")
    assert len(set(seen)) == 2
    assert (tmp_path / "c").read_bytes() == b"ours"
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_what_cannot_be_written_is_told_with_its_reason(tmp_path):
    (tmp_path / "file").write_text("mine")
    place = tmp_path / "file" / "run.safetensors"
    with pytest.raises(OSError, match=r"run\.safetensors cannot be written: .*; give an") as caught:
        checkpoint.save({}, place)
    assert caught.value.errno is not None
    with pytest.raises(OSError, match=r"file cannot be written: .*; give another place\.$"):
        checkpoint.make_folder(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_made_while_another_program_takes_its_parent_away(tmp_path, monkeypatch):
    made, taken = Path.mkdir, []

    def mkdir(path, *args, **options):
        if path == tmp_path / "work" / "mine" and len(taken) < 3:
            taken.append(path)
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return made(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    make_folder(tmp_path / "work" / "mine")
    assert len(taken) == 3
    assert (tmp_path / "work" / "mine").is_dir()
