"""Counted paths, and which of them are kept, row by row."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.datasets import hetero_sbm
from gcl.transforms import meta_path_counts
from gcl.transforms.add_meta_paths import AddMetaPaths
from tests.heterogeneous import PATHS, random_graph


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
