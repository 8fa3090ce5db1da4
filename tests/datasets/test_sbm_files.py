"""The block model in files, against its laws, SciPy and brute force."""

import itertools
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gcl.datasets import from_files, sbm, sbm_files, sbm_to_files


@pytest.mark.parametrize("block", [97, 300, 1000])
@pytest.mark.parametrize(("classes", "homophily"), [(3, 0.7), (1, 1.0), (2, 0.0)])
def test_links_between_classes_and_blocks_within_four_sigma(tmp_path, classes, homophily, block):
    num_nodes, degree = 601, 12.0
    data = sbm_to_files(tmp_path / "a", num_nodes, classes, degree=degree, homophily=homophily,
                        num_features=1, block=block)  # fmt: skip
    y, half = data.y.numpy(), np.arange(num_nodes) // 301
    source, target = data.edge_index.numpy()
    once = source < target
    pairs = np.triu_indices(num_nodes, 1)
    same = y[pairs[0]] == y[pairs[1]]
    links = num_nodes * degree / 2
    p = np.where(same, homophily * links / max(same.sum(), 1),
                 (1 - homophily) * links / max((~same).sum(), 1))  # fmt: skip
    group = y * 2 + half  # a half of the nodes is no block: laws hold wherever it is cut
    for a, b in itertools.product(range(2 * classes), repeat=2):
        inside = (group[pairs[0]] == a) & (group[pairs[1]] == b)
        found = int(((group[source] == a) & (group[target] == b) & once).sum())
        sigma = (p[inside] * (1 - p[inside])).sum() ** 0.5
        assert abs(found - p[inside].sum()) <= 4 * sigma


@pytest.mark.parametrize("block", [1, 7, 50, 1000])
@pytest.mark.parametrize("degree", [0.0, 3.0, 40.0])
def test_edges_are_sorted_distinct_symmetric_and_without_loops(tmp_path, block, degree):
    data = sbm_to_files(tmp_path / "a", 50, 3, degree=degree, homophily=0.3, num_features=2,
                        block=block)  # fmt: skip
    source, target = data.edge_index.numpy()
    pairs = list(zip(target.tolist(), source.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    matrix = sp.coo_array((np.ones(len(source)), (source, target)), shape=(50, 50)).tocsr()
    assert (matrix != matrix.T).nnz == 0
    assert matrix.diagonal().sum() == 0
    assert sorted(np.bincount(data.y).tolist()) == [16, 17, 17]
    assert data.edge_index.dtype == data.y.dtype == torch.int64


def test_full_degree_is_the_complete_graph(tmp_path):
    data = sbm_to_files(tmp_path / "a", 8, 1, degree=7, homophily=1.0, num_features=1, block=3)
    expected = [(b, a) for a, b in itertools.permutations(range(8), 2)]
    assert list(map(tuple, data.edge_index.t().tolist())) == expected


def test_classes_are_balanced_and_random_in_every_block(tmp_path):
    data = sbm_to_files(tmp_path / "a", 1000, 3, degree=1, num_features=1, block=300)
    for start in range(0, 1000, 300):
        count = torch.bincount(data.y[start : start + 300], minlength=3)
        assert int(count.max() - count.min()) <= 1
    # In random order neighbouring numbers are of one class with 1/3: 333 +- 4 * 15.
    assert abs(int((data.y[1:] == data.y[:-1]).sum()) - 333) < 60


def test_every_pair_of_nodes_is_drawn_equally_often(tmp_path):
    num, degree, draws = 6, 2.0, 400
    counts = np.zeros((num, num))
    for seed in range(draws):
        data = sbm_to_files(tmp_path / f"{seed}", num, 1, degree=degree, homophily=1.0,
                            num_features=1, block=4, seed=seed)  # fmt: skip
        np.add.at(counts, tuple(data.edge_index.numpy()), 1)
    p = degree / (num - 1)
    off = counts[~np.eye(num, dtype=bool)]
    assert abs(off - draws * p).max() < 4.5 * (draws * p * (1 - p)) ** 0.5


def test_features_are_one_mean_a_class_whatever_the_block_plus_noise(tmp_path):
    clean = sbm_to_files(tmp_path / "a", 300, 3, num_features=16, noise=0.0, block=70)
    means = torch.stack([clean.x[clean.y == c][0] for c in range(3)])
    assert torch.equal(clean.x, means[clean.y])
    torch.testing.assert_close(means.norm(dim=1), torch.ones(3))
    noisy = sbm_to_files(tmp_path / "b", 20_000, 3, num_features=16, noise=2.0, block=7_000)
    squared = float((noisy.x - means[noisy.y]).square().sum(1).mean())  # as in test_sbm.py
    assert abs(squared - 4.0) < 0.05
    assert len(noisy.x.unique(dim=0)) == 20_000  # no block has the noise of another


def test_the_same_arguments_open_what_is_there_and_others_are_refused(tmp_path):
    first = sbm_to_files(tmp_path / "a", 100, 2, num_features=2, block=30)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()}
    again = sbm_to_files(tmp_path / "a", 100, 2, num_features=2, block=30)
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()}
    for name in ("x", "y", "edge_index"):
        assert torch.equal(first[name], again[name])
        assert torch.equal(first[name], from_files(tmp_path / "a")[name])
    other = sbm_to_files(tmp_path / "b", 100, 2, num_features=2, block=30, seed=1)
    assert not torch.equal(first.x, other.x)
    with pytest.raises(ValueError, match=r"holds a graph of seed=1; give another folder"):
        sbm_to_files(tmp_path / "b", 100, 2, num_features=2, block=30)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="holds something else"):
        sbm_to_files(tmp_path / "c", 100, 2)


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sbm_files, "_write_edges", stop)
        with pytest.raises(KeyboardInterrupt):
            sbm_to_files(tmp_path / "a", 100, 2)
    assert not list(tmp_path.iterdir())
    assert sbm_to_files(tmp_path / "a", 100, 2).num_nodes == 100


def test_memory_is_that_of_a_block(tmp_path):
    peaks = []
    for num_nodes in (40_000, 160_000):
        tracemalloc.start()  # counts what NumPy allocates, and no mapped file
        sbm_to_files(tmp_path / f"{num_nodes}", num_nodes, 2, num_features=4, block=10_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] < 30e6


def test_degree_and_homophily_are_those_of_the_model_in_memory(tmp_path):
    options = {"degree": 10.0, "homophily": 0.6, "num_features": 1}
    for data in (sbm(20_000, 5, **options),
                 sbm_to_files(tmp_path / "a", 20_000, 5, block=6_000, **options)):  # fmt: skip
        source, target = data.edge_index
        share = float((data.y[source] == data.y[target]).float().mean())
        assert abs(share - 0.6) < 4 * (0.6 * 0.4 / 100_000) ** 0.5
        assert abs(data.num_edges / 2 - 100_000) < 4 * 100_000**0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_nodes": 3}, ValueError, "num_nodes must be at least 4, got 3"),
        ({"block": 0}, ValueError, "block must be at least 1"),
        ({"homophily": 1.3}, ValueError, r"homophily must lie in \[0, 1\]"),
        ({"num_nodes": 20, "degree": 19.0}, ValueError, "degree within a class asks for"),
    ],
)
def test_refuses(tmp_path, arguments, error, message):
    with pytest.raises(error, match=f"^sbm_to_files: .*{message}"):
        sbm_to_files(tmp_path / "a", **{"num_nodes": 100, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x", "y", "edge_index"])
def test_a_folder_that_has_lost_a_file_is_told(tmp_path, name):
    options = {"num_nodes": 50, "num_features": 3, "block": 20}
    sbm_to_files(tmp_path / "a", **options)
    (tmp_path / "a" / f"{name}.npy").unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=rf"{name}\.npy"):
        sbm_to_files(tmp_path / "a", **options)
