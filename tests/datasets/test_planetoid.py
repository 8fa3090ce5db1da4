from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.datasets import Planetoid

from gcl.datasets import load
from gcl.datasets.planetoid import read_planetoid

NUM_TRAIN, NUM_KNOWN, NUM_TEST, NUM_CLASSES = 6, 610, 12, 3
MISSING = [NUM_KNOWN + 2, NUM_KNOWN + 9]  # nodes that the index of the test nodes leaves out


def _truth(gaps: bool) -> tuple[np.ndarray, np.ndarray, set[tuple[int, int]], np.ndarray]:
    rng = np.random.default_rng(0)
    num_nodes = NUM_KNOWN + NUM_TEST
    x = (rng.random((num_nodes, 5)) < 0.3).astype(np.float32)
    y = rng.integers(NUM_CLASSES, size=num_nodes)
    test = np.arange(NUM_KNOWN, num_nodes)
    if gaps:
        test = np.setdiff1d(test, MISSING)
        x[MISSING], y[MISSING] = 0, 0
    edges = {tuple(pair) for pair in rng.integers(num_nodes, size=(900, 2)).tolist()}
    edges |= {(b, a) for a, b in edges}
    return x, y, edges, rng.permutation(test)


def _write(folder: Path, name: str, gaps: bool = False) -> None:
    x, y, edges, test = _truth(gaps)
    graph = defaultdict(list)
    for a, b in sorted(edges):
        graph[a] += [b, b]  # the published files repeat links, too
    onehot = np.eye(NUM_CLASSES, dtype=np.int32)[y]
    parts = {
        "x": sp.csr_matrix(x[:NUM_TRAIN]),
        "allx": sp.csr_matrix(x[:NUM_KNOWN]),
        "tx": sp.csr_matrix(x[test]),
        "y": onehot[:NUM_TRAIN],
        "ally": onehot[:NUM_KNOWN],
        "ty": onehot[test],
        "graph": graph,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for part, value in parts.items():
        (folder / f"ind.{name}.{part}").write_bytes(pickle.dumps(value, protocol=4))
    (folder / f"ind.{name}.test.index").write_text("".join(f"{node}\n" for node in test))


@pytest.mark.parametrize("gaps", [False, True])
def test_recovers_the_graph_that_was_written(tmp_path, gaps):
    _write(tmp_path, "toy", gaps)
    x, y, edges, test = _truth(gaps)
    data = read_planetoid(tmp_path, "toy")
    assert data.x.dtype == torch.float32
    assert torch.equal(data.x, torch.from_numpy(x))
    assert data.y.tolist() == y.tolist()
    pairs = list(map(tuple, data.edge_index.t().tolist()))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(a, b) for a, b in edges if a != b}
    assert data.train_mask.nonzero().flatten().tolist() == list(range(NUM_TRAIN))
    assert data.val_mask.nonzero().flatten().tolist() == list(range(NUM_TRAIN, NUM_TRAIN + 500))
    assert data.test_mask.nonzero().flatten().tolist() == sorted(test.tolist())


def _assert_equal_to_pyg(root: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyG's reader trips over NumPy's deprecations
        theirs = Planetoid(str(root), name)[0]
    ours = read_planetoid(root / name / "raw", name.lower())
    assert sorted(ours.keys()) == sorted(theirs.keys())
    for key in theirs.keys():  # noqa: SIM118
        assert ours[key].dtype == theirs[key].dtype, key
        assert torch.equal(ours[key], theirs[key]), key


@pytest.mark.parametrize(("name", "gaps"), [("Cora", False), ("CiteSeer", True)])
def test_equals_pyg_on_written_files(tmp_path, name, gaps):
    _write(tmp_path / name / "raw", name.lower(), gaps)
    _assert_equal_to_pyg(tmp_path, name)


@pytest.mark.parametrize("name", ["Cora", "CiteSeer", "PubMed"])
def test_equals_pyg_on_published_files(tmp_path, published, name):
    folder = published(name.lower()) / "planetoid" / name / "raw"
    shutil.copytree(folder, tmp_path / name / "raw")
    _assert_equal_to_pyg(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "classes", "split"),
    [
        ("cora", 2708, 10556, 1433, 7, (140, 500, 1000)),
        ("citeseer", 3327, 9104, 3703, 6, (120, 500, 1000)),
        ("pubmed", 19717, 88648, 500, 3, (60, 500, 1000)),
    ],
)
def test_published_counts(published, name, nodes, edges, features, classes, split):
    root = published(name)
    before = sorted(root.rglob("*"))
    data = load(name, root)
    assert sorted(root.rglob("*")) == before
    assert data.x.shape == (nodes, features)
    assert data.edge_index.shape == (2, edges)
    assert data.is_undirected()
    assert data.y.unique().tolist() == list(range(classes))
    masks = data.train_mask, data.val_mask, data.test_mask
    assert tuple(int(mask.sum()) for mask in masks) == split
    assert int(sum(mask.int() for mask in masks).max()) == 1
    if name == "citeseer":
        blank = (data.x.sum(1) == 0).nonzero().flatten()
        blank = blank[blank >= 2312]  # behind the rows of allx
        assert len(blank) == 15
        assert data.y[blank].eq(0).all()
        assert not data.test_mask[blank].any()
        assert data.has_isolated_nodes()


class _Trap:
    """Unpickles by calling a function, as an attacker's file would."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("part", ["x", "graph", "y"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, part):
    _write(tmp_path, "toy")
    target = tmp_path / "made_by_the_pickle"
    content = pickle.dumps(_Trap(os.mkdir, str(target)), protocol=2)
    (tmp_path / f"ind.toy.{'allx' if part == 'x' else part}").write_bytes(content)
    with pytest.raises(ValueError, match=r"asks for \w+\.mkdir, which is refused"):
        read_planetoid(tmp_path, "toy")
    assert not target.exists()
    pickle.loads(content)
    assert target.exists(), "the trap itself does not work, so the test shows nothing"


@pytest.mark.parametrize("function", [eval, np.load, np.savetxt, sp.load_npz])
def test_functions_of_allowed_packages_are_refused_too(tmp_path, function):
    _write(tmp_path, "toy")
    (tmp_path / "ind.toy.tx").write_bytes(pickle.dumps(_Trap(function, "1"), protocol=4))
    with pytest.raises(ValueError, match="refused"):
        read_planetoid(tmp_path, "toy")


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _out_of_range(path: Path) -> None:
    matrix = sp.csr_matrix(np.eye(3, dtype=np.float32))
    matrix.indices[1] = 10**8
    path.write_bytes(pickle.dumps(matrix, protocol=4))


def _not_a_matrix(path: Path) -> None:
    path.write_bytes(pickle.dumps([1, 2, 3]))


@pytest.mark.parametrize("damage", [_truncated, _out_of_range, _not_a_matrix])
@pytest.mark.parametrize("part", ["allx", "tx"])
def test_broken_matrix(tmp_path, damage, part):
    _write(tmp_path, "toy")
    damage(tmp_path / f"ind.toy.{part}")
    with pytest.raises(ValueError, match=rf"ind\.toy\.{part} is not a Planetoid file"):
        read_planetoid(tmp_path, "toy")


@pytest.mark.parametrize("graph", [{0: [1], 1: [10**6]}, {0: [-1]}, [1, 2], {0: ["a"]}, {0: 3}])
def test_broken_graph(tmp_path, graph):
    _write(tmp_path, "toy")
    (tmp_path / "ind.toy.graph").write_bytes(pickle.dumps(graph, protocol=4))
    with pytest.raises(ValueError, match=r"ind\.toy\.graph is not a Planetoid file"):
        read_planetoid(tmp_path, "toy")


@pytest.mark.parametrize("index", ["", "1\ntwo\n", "612\n", "1\n" * NUM_TEST])
def test_broken_index(tmp_path, index):
    _write(tmp_path, "toy")
    (tmp_path / "ind.toy.test.index").write_text(index)
    with pytest.raises(ValueError, match=r"ind\.toy\.test\.index is not a Planetoid file"):
        read_planetoid(tmp_path, "toy")


@pytest.mark.parametrize("part", ["allx", "tx", "ally", "ty"])
@pytest.mark.parametrize("shape", [(5, 5), (NUM_TEST, 9)])
def test_files_that_do_not_fit_together(tmp_path, part, shape):
    _write(tmp_path, "toy")
    (tmp_path / f"ind.toy.{part}").write_bytes(pickle.dumps(np.zeros(shape), protocol=4))
    with pytest.raises(ValueError, match="is not a Planetoid file"):
        read_planetoid(tmp_path, "toy")
