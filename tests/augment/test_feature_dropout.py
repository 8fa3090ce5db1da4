from __future__ import annotations

from math import sqrt

import torch
from torch_geometric.data import Data

from gcl.augment import FeatureDropout


def test_entries_with_the_right_frequency_and_scale() -> None:
    x = torch.rand(100, 80) + 0.5
    torch.manual_seed(0)
    out = FeatureDropout(0.3)(Data(x=x)).x
    gone = out == 0
    assert torch.equal(out[~gone], x[~gone])
    assert abs(int(gone.sum()) - 2400) < 4 * sqrt(8000 * 0.3 * 0.7)
    # Entries, not rows or columns.
    assert not gone.all(0).any()
    assert not gone.all(1).any()


def test_csr_keeps_its_indices() -> None:
    dense = torch.rand(60, 50) * (torch.rand(60, 50) < 0.4)
    x = dense.to_sparse_csr()
    torch.manual_seed(0)
    out = FeatureDropout(0.5)(Data(x=x)).x
    assert out.col_indices().data_ptr() == x.col_indices().data_ptr()
    assert out.crow_indices().data_ptr() == x.crow_indices().data_ptr()
    gone = (out.to_dense() == 0) & (dense != 0)
    assert torch.equal(out.to_dense(), dense.masked_fill(gone, 0))
    n = x.values().numel()
    assert abs(int(gone.sum()) - n / 2) < 4 * sqrt(n / 4)
    assert torch.equal(x.to_dense(), dense)


def test_whole_numbers() -> None:
    assert FeatureDropout(1.0)(Data(x=torch.ones(2, 2).long())).x.tolist() == [[0, 0], [0, 0]]
