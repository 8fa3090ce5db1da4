"""Counted paths, and which of them are kept, row by row."""

from __future__ import annotations

import tracemalloc
from functools import reduce

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import HeteroData

from gcl.datasets import hetero_sbm
from gcl.transforms import meta_path_counts
from gcl.transforms.add_meta_paths import AddMetaPaths
from tests.heterogeneous import PATHS, SIZES, random_graph, steps_of


def test_no_more_memory_than_is_kept(monkeypatch):
    monkeypatch.setattr(meta_path_counts, "CHUNK", 1 << 15)
    data = hetero_sbm(3000, num_authors=1000, num_subjects=6, num_features=1)
    transform = AddMetaPaths([["paper", "subject", "paper"]], topk=5)
    tracemalloc.start()
    out = transform(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    entries = AddMetaPaths([["paper", "subject", "paper"]])(data)
    assert entries["paper", "metapath_0", "paper"].num_edges > 1_000_000
    assert out["paper", "metapath_0", "paper"].num_edges <= 5 * 3000
    assert peak < 6e6


def test_too_many_paths_to_count():
    data = HeteroData()
    data["t"].num_nodes = 40
    every = torch.cartesian_prod(torch.arange(40), torch.arange(40)).t()
    data["t", "to", "t"].edge_index = every
    with pytest.raises(ValueError, match="more than 2\\^62 paths"):
        AddMetaPaths([["t"] * 13])(data)


def clique(n=30):
    """One subject that all papers share: every pair of papers is as similar as any other."""
    data = HeteroData()
    data["p"].num_nodes, data["s"].num_nodes = n, 1
    both = torch.stack([torch.arange(n), torch.zeros(n, dtype=torch.long)])
    data["p", "to", "s"].edge_index, data["s", "to", "p"].edge_index = both, both.flip(0)
    return data


def chosen(data, **options):
    options = {"topk": 5, "topk_form": "row", **options}
    return AddMetaPaths([["p", "s", "p"]], **options)(data)["p", "metapath_0", "p"].edge_index


def test_ties_by_lot_are_fair_fixed_by_the_seed_and_spare_the_node_itself():
    edges = chosen(clique())
    assert torch.equal(edges, chosen(clique()))
    assert not torch.equal(edges, chosen(clique(), seed=1))
    assert (edges[0] == edges[1]).sum() == 30
    assert (edges[1].bincount() == 5).all()
    counts = torch.stack([chosen(clique(), seed=s)[0].bincount(minlength=30) for s in range(100)])
    # Each of 29 others chooses a node with chance 4 / 29, itself always: 5 on average.
    expected, deviation = 5.0, (29 * 4 / 29 * 25 / 29) ** 0.5
    assert ((counts.double().mean(0) - expected).abs() < 4 * deviation / 10).all()


def test_ties_by_lot_do_not_depend_on_how_rows_are_blocked(monkeypatch):
    whole = chosen(clique())
    monkeypatch.setattr("gcl.transforms.meta_path_counts.CHUNK", 70)
    assert torch.equal(chosen(clique()), whole)


def test_ties_as_numpy_sorts_them():
    edges = chosen(clique(), ties="legacy")
    expected = torch.as_tensor(np.argsort(np.ones(30))[-5:]).sort().values
    assert torch.equal(edges[0].view(30, 5), expected.expand(30, 5))
    # Scores that differ leave nothing to the sort.
    data = random_graph()
    mine = AddMetaPaths([PATHS["length 4"]], topk=3, topk_form="row", ties="legacy")(data)
    name = ("t", "metapath_0", "t")
    full = AddMetaPaths([PATHS["length 4"]], topk_form="row")(data)[name]
    n = data["t"].num_nodes
    dense = torch.zeros(n, n).index_put((full.edge_index[1], full.edge_index[0]), full.edge_weight)
    score = 2 * dense / (dense.diag()[:, None] + dense.diag()).clamp(min=1)
    for i, j in mine[name].edge_index.flip(0).t().tolist():
        assert (score[i] > score[i, j]).sum() < 3


def dense(data, edge_type):
    counts = np.zeros((SIZES[edge_type[0]], SIZES[edge_type[2]]), dtype=np.int64)
    for source, target in data[edge_type].edge_index.t().tolist():
        counts[source, target] += 1
    return counts


@pytest.mark.parametrize("path", PATHS)
def test_products_of_incidence_matrices_in_any_order(path):
    data, chain = random_graph(4), tuple(steps_of(PATHS[path]))
    incidence = meta_path_counts.Incidence(data)
    for step in chain:
        assert (incidence.of(step).toarray() == dense(data, step)).all()
    left, right = incidence.two_factors(chain)
    expected = reduce(np.matmul, (dense(data, step) for step in chain))
    assert ((left @ right).toarray() == expected).all()
    again = incidence.two_factors(chain)
    assert left is again[0]


def sparse(seed=0, rows=7, cols=6):
    """Few different numbers, so that there are ties."""
    rng = np.random.default_rng(seed)
    matrix = sp.csr_array(rng.integers(0, 4, size=(rows, cols)))
    return matrix, rng.integers(0, 3, size=matrix.nnz).astype(float)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_best_entries_of_every_row_by_sorted_lists(k, seed):
    matrix, score = sparse(seed)
    found = meta_path_counts.keep_top(matrix, score, k)
    expected = np.zeros(matrix.shape, dtype=np.int64)
    for i in range(matrix.shape[0]):
        stored = range(matrix.indptr[i], matrix.indptr[i + 1])
        best = sorted(stored, key=lambda e: (-score[e], -matrix.data[e], matrix.indices[e]))[:k]
        for e in best:
            expected[i, matrix.indices[e]] = matrix.data[e]
    assert (found.toarray() == expected).all()
    assert found.has_sorted_indices


def test_lots_decide_between_equal_entries_only():
    matrix, score = sparse(1)
    by_column = meta_path_counts.keep_top(matrix, score, 2)
    for seed in range(5):
        found = meta_path_counts.keep_top(matrix, score, 2, np.random.default_rng(seed))
        assert (np.diff(found.indptr) == np.diff(by_column.indptr)).all()
        for i in range(matrix.shape[0]):
            ranks = []
            for kept in (found, by_column):
                row = matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]
                inside = np.isin(row, kept.indices[kept.indptr[i] : kept.indptr[i + 1]])
                at = np.arange(matrix.indptr[i], matrix.indptr[i + 1])[inside]
                ranks.append(sorted(zip(score[at], matrix.data[at], strict=True)))
            assert ranks[0] == ranks[1]


@pytest.mark.parametrize("limit", [1, 5, 12, 10**6])
def test_ranges_of_rows_keep_to_the_limit(limit):
    work = np.array([3, 0, 7, 20, 1, 1, 0, 4])
    ranges = list(meta_path_counts.row_blocks(work, limit))
    assert [i for a, b in ranges for i in range(a, b)] == list(range(8))
    for start, stop in ranges:
        assert stop - start == 1 or work[start:stop].sum() <= limit
        # No range could have taken the next row as well.
        assert stop == 8 or work[start : stop + 1].sum() > limit
    assert list(meta_path_counts.row_blocks(work[:0], limit)) == []


@pytest.mark.parametrize("chunk", [1, 40, 10**6])
def test_a_product_in_blocks_is_the_product_or_nothing(chunk, monkeypatch):
    monkeypatch.setattr(meta_path_counts, "CHUNK", chunk)
    (left, _), (right, _) = sparse(2, 7, 6), sparse(3, 6, 5)
    found = meta_path_counts.product_in_blocks(left, right, 10, 10**6)
    assert (found.toarray() == left.toarray() @ right.toarray()).all()
    assert meta_path_counts.product_in_blocks(left, right, 10, 10 * found.nnz - 1) is None
    assert meta_path_counts.product_in_blocks(left[:0], right, 10, 0).shape == (0, 5)
