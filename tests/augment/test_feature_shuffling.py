from __future__ import annotations

from collections import Counter
from math import sqrt

import torch
from torch_geometric.data import Data

from gcl.augment import FeatureShuffling
from tests.odd_graphs import batch, hetero


def test_rows_are_permuted_uniformly() -> None:
    data = Data(x=torch.arange(3.0).view(3, 1))
    torch.manual_seed(0)
    draws = 1800
    hits = Counter(tuple(FeatureShuffling()(data).x.view(-1).tolist()) for _ in range(draws))
    assert len(hits) == 6
    assert all(abs(n - 300) < 4.5 * sqrt(draws / 6 * 5 / 6) for n in hits.values())


def test_a_share_of_the_nodes() -> None:
    x = torch.arange(5000.0).view(-1, 1)
    torch.manual_seed(0)
    out = FeatureShuffling(0.3)(Data(x=x)).x
    assert torch.equal(out.sort(0).values, x)
    moved = int((out != x).sum())
    # One fixed point is expected in a random permutation.
    assert abs(moved + 1 - 1500) < 4 * sqrt(5000 * 0.3 * 0.7) + 5


def test_graphs_of_a_batch_keep_their_rows() -> None:
    data = batch()
    torch.manual_seed(0)
    view = FeatureShuffling()(data)
    assert not torch.equal(view.x, data.x)
    for part, original in zip(view.to_data_list(), data.to_data_list(), strict=True):
        assert torch.equal(part.x.sort(0).values, original.x.sort(0).values)
    assert view.edge_index is data.edge_index


def test_interleaved_graphs() -> None:
    data = Data(x=torch.arange(40.0).view(-1, 1), batch=torch.arange(40) % 2)
    out = FeatureShuffling()(data).x.view(-1)
    assert torch.equal(out.long() % 2, data.batch)
    assert sorted(out.tolist()) == list(range(40))


def test_hetero_types_stay_apart() -> None:
    data = hetero()
    view = FeatureShuffling()(data)
    for kind in ("paper", "author"):
        assert torch.equal(view[kind].x.sort(0).values, data[kind].x)


def test_csr_equals_dense() -> None:
    dense = torch.rand(30, 12) * (torch.rand(30, 12) < 0.3)
    for p in (0.5, 1.0):
        torch.manual_seed(1)
        sparse = FeatureShuffling(p)(Data(x=dense.to_sparse_csr())).x
        torch.manual_seed(1)
        assert torch.equal(sparse.to_dense(), FeatureShuffling(p)(Data(x=dense)).x)
        assert sparse.layout == torch.sparse_csr
