"""Rows of features divided by their sums."""

from __future__ import annotations

import pytest
import torch
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from gcl.datasets import hetero_sbm
from gcl.transforms import NormalizeRows


def test_equals_scikit_learn():
    torch.manual_seed(0)
    x = torch.rand(6, 5).where(torch.rand(6, 5) > 0.5, 0.0)
    x[2] = 0
    expected = torch.from_numpy(normalize(x.numpy(), norm="l1"))
    found = NormalizeRows()(Data(x=x.to_sparse_csr())).x
    torch.testing.assert_close(found.to_dense(), expected)
    torch.testing.assert_close(NormalizeRows()(Data(x=x)).x, expected)
    signed = x - 2 * x * (torch.rand(6, 5) > 0.5)
    expected = torch.from_numpy(normalize(signed.numpy(), norm="l1"))
    torch.testing.assert_close(NormalizeRows()(Data(x=signed)).x, expected)
    found = NormalizeRows()(Data(x=signed.to_sparse_csr())).x
    torch.testing.assert_close(found.to_dense(), expected)


def test_whole_numbers_become_floating_point():
    x = torch.tensor([[1, 3], [0, 0]])
    expected = torch.tensor([[0.25, 0.75], [0.0, 0.0]])
    assert torch.equal(NormalizeRows()(Data(x=x)).x, expected)
    assert torch.equal(NormalizeRows()(Data(x=x.to_sparse())).x.to_dense(), expected)


def test_dense_types_stay_and_the_input_is_not_touched():
    data = hetero_sbm(10, num_authors=8, num_subjects=3)
    data["author"].x = data["author"].x.relu().to_sparse_csr()
    values, dense = data["author"].x.values().clone(), data["paper"].x
    out = NormalizeRows(sparse_only=True)(data.clone())
    assert torch.equal(data["author"].x.values(), values)
    assert torch.equal(out["paper"].x, dense)
    assert not torch.equal(out["author"].x.values(), values)


@pytest.mark.parametrize("layout", ["coo", "csc", "csr"])
def test_every_sparse_layout(layout):
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0], [0.0, 2.0]])
    data = Data(x=getattr(x, f"to_sparse_{layout}")())
    out = NormalizeRows()(data).x
    assert out.layout == torch.sparse_csr
    expected = torch.tensor([[0.25, 0.75], [0.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(out.to_dense(), expected)
