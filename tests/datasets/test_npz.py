from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.io import read_npz as read_npz_of_pyg

from gcl.datasets import DATASETS, load
from gcl.datasets.npz import read_npz

# 4 nodes, 3 features; a self-loop 0-0, a link listed one way 0-1, one listed both ways 2-3
ARRAYS = {
    "adj_data": np.ones(4, np.float32),
    "adj_indices": np.array([0, 1, 3, 2]),
    "adj_indptr": np.array([0, 2, 2, 3, 4]),
    "adj_shape": np.array([4, 4]),
    "attr_data": np.array([2.0, 1.0, 7.0], np.float32),
    "attr_indices": np.array([1, 0, 2]),
    "attr_indptr": np.array([0, 1, 1, 3, 3]),
    "attr_shape": np.array([4, 3]),
    "labels": np.array([1, 0, 0, 1], np.int8),
}


def _write(path: Path, **changes: np.ndarray) -> Path:
    np.savez(path, **{**ARRAYS, **changes})
    return path


def test_literal_graph(tmp_path):
    data = read_npz(_write(tmp_path / "a.npz"))
    assert data.x.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert data.x.dtype == torch.float32
    assert sorted(data.edge_index.t().tolist()) == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert data.y.tolist() == [1, 0, 0, 1]
    assert data.y.dtype == torch.int64


@pytest.mark.parametrize("name", ["computers", "photo", "cs", "acm-coauthor"])
def test_equals_pyg(published, name):
    source = DATASETS[name]
    path = published(name) / source.folder / source.files[0]
    ours, theirs = read_npz(path), read_npz_of_pyg(str(path))
    for key in ("x", "edge_index", "y"):
        assert ours[key].dtype == theirs[key].dtype
        assert torch.equal(ours[key], theirs[key])


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "classes"),
    [
        ("computers", 13752, 491722, 767, 10),
        ("photo", 7650, 238162, 745, 8),
        ("cs", 18333, 163788, 6805, 15),
        ("acm-coauthor", 3025, 26256, 1870, 3),
    ],
)
def test_published_counts(published, name, nodes, edges, features, classes):
    data = load(name, published(name))
    assert data.x.shape == (nodes, features)
    assert data.edge_index.shape == (2, edges)
    assert not data.has_self_loops()
    assert data.y.unique().tolist() == list(range(classes))


class _Trap:
    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_pickled_arrays_are_refused_and_not_run(tmp_path):
    target = tmp_path / "made_by_the_pickle"
    labels = np.array([_Trap(target)] * 4, dtype=object)
    with pytest.raises(ValueError, match="is not a graph in"):
        read_npz(_write(tmp_path / "a.npz", labels=labels))
    assert not target.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"adj_indices": np.array([0, 1, 3, 10**8])},
        {"attr_indices": np.array([1, -1, 2])},
        {"attr_shape": np.array([4, 2])},
        {"adj_indptr": np.array([0, 2, 1, 3, 4])},
        {"adj_shape": np.array([4])},
    ],
)
def test_matrices_that_point_outside(tmp_path, changes):
    with pytest.raises(ValueError, match="is not a graph in"):
        read_npz(_write(tmp_path / "a.npz", **changes))


_ARRAY = io.BytesIO()
np.save(_ARRAY, np.ones(3))


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", b"not found", _ARRAY.getvalue()]
)
def test_not_an_archive(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a graph in"):
        read_npz(path)


def test_missing_array(tmp_path):
    np.savez(tmp_path / "a.npz", **{k: v for k, v in ARRAYS.items() if k != "labels"})
    with pytest.raises(ValueError, match="labels"):
        read_npz(tmp_path / "a.npz")


def test_damaged_inside(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **ARRAYS)
    content = bytearray(path.read_bytes())
    content[60:120] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a graph in"):
        read_npz(path)
