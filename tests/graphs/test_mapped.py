"""Mapped arrays and folders that appear when they are finished."""

import os
import time

import numpy as np
import pytest
import torch

from gcl.graphs.mapped import map_file, new_file, new_folder


def test_what_is_written_to_the_tensor_never_reaches_the_file(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(3, 2))
    before = path.read_bytes()
    tensor = map_file("here", path)
    tensor[1] = 9.0
    assert tensor.tolist() == [[0, 1], [9, 9], [4, 5]]
    assert path.read_bytes() == before


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (4, 3)])
def test_any_shape(tmp_path, shape):
    array = new_file(tmp_path / "a.npy", np.int32, shape)
    array[...] = 7
    del array
    found = map_file("here", tmp_path / "a.npy")
    assert torch.equal(found, torch.full(shape, 7, dtype=torch.int32))


def broken(path, kind):
    if kind == "objects":
        np.save(path, np.array([{}, None]), allow_pickle=True)
    elif kind == "words":
        np.save(path, np.array(["a", "b"]))
    elif kind == "cut":
        np.save(path, np.arange(100))
        path.write_bytes(path.read_bytes()[:-8])
    elif kind == "header":
        np.save(path, np.arange(100))
        path.write_bytes(path.read_bytes().replace(b"'shape'", b"'shipe'"))
    elif kind == "other order":
        np.save(path, np.arange(100).astype(">i8"))
    else:
        path.write_bytes(b"" if kind == "empty" else b"PK\x03\x04 and more")


@pytest.mark.parametrize(
    "kind", ["objects", "words", "cut", "header", "other order", "empty", "zip"]
)
def test_refuses_what_is_no_array_of_numbers(tmp_path, kind):
    broken(tmp_path / "a.npy", kind)
    with pytest.raises(ValueError, match=r"^here: .*a\.npy holds no array of numbers"):
        map_file("here", tmp_path / "a.npy")


def interrupted(folder):
    with new_folder(folder) as place:
        (place / "file").write_text("half")
        raise RuntimeError("stop")


def test_a_folder_appears_when_all_is_written(tmp_path):
    with new_folder(tmp_path / "deep" / "a") as place:
        (place / "file").write_text("some")
        assert not (tmp_path / "deep" / "a").exists()
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a"]
    with pytest.raises(FileExistsError, match="is there already"), new_folder(tmp_path / "deep/a"):
        raise AssertionError
    with pytest.raises(RuntimeError, match="stop"):
        interrupted(tmp_path / "b")
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]


def test_what_killed_writers_left_goes_after_a_day(tmp_path):
    old, fresh = (tmp_path / f".a.{letter * 16}.tmp" for letter in "of")
    for left in (old, fresh):
        left.mkdir()
        (left / "x.npy").write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    with new_folder(tmp_path / "a"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [fresh.name, "a"]
