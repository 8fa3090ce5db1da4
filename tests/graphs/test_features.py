"""Dense and CSR features behind one set of operations, against dense indexing."""

from __future__ import annotations

import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data, HeteroData

from gcl.graphs.features import feature_stores, is_csr, take_rows, with_values, zero_columns


def features(seed: int = 0) -> torch.Tensor:
    """Some rows empty, some columns too."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 5, generator=generator).relu()
    x[2], x[:, 4] = 0, 0
    return x


def csr(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_csr()


def test_columns_are_zeroed_alike() -> None:
    x, drop = features(), torch.tensor([True, False, False, True, True])
    expected = x.clone()
    expected[:, drop] = 0
    assert torch.equal(zero_columns(x, drop), expected)
    sparse = csr(x)
    found = zero_columns(sparse, drop)
    assert torch.equal(found.to_dense(), expected)
    assert found.col_indices().data_ptr() == sparse.col_indices().data_ptr()
    assert torch.equal(sparse.to_dense(), x)


def test_columns_are_zeroed_graph_by_graph() -> None:
    x, graph = features(), torch.tensor([0, 0, 0, 1, 2, 2])
    drop = torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) < 0.5
    expected = torch.tensor(
        [[0.0 if drop[graph[i], j] else float(x[i, j]) for j in range(5)] for i in range(6)]
    )
    assert torch.equal(zero_columns(x, drop, graph), expected)
    assert torch.equal(zero_columns(csr(x), drop, graph).to_dense(), expected)


@pytest.mark.parametrize("rows", [[], [2], [5, 0, 0, 2, 3], [1, 1, 1]])
def test_rows_are_taken_as_scipy_takes_them(rows: list[int]) -> None:
    x, index = features(), torch.tensor(rows, dtype=torch.long)
    assert torch.equal(take_rows(x, index), x[index])
    expected = sp.csr_array(x.numpy())[rows] if rows else sp.csr_array((0, 5))
    found = take_rows(csr(x), index)
    assert found.crow_indices().tolist() == expected.indptr.tolist()
    assert found.col_indices().tolist() == expected.indices.tolist()
    assert found.values().tolist() == expected.data.tolist()
    assert found.crow_indices().dtype == found.col_indices().dtype == torch.int64


def test_other_values_on_the_same_indices() -> None:
    x = csr(features())
    found = with_values(x, -x.values())
    assert torch.equal(found.to_dense(), -features())
    assert found.crow_indices().data_ptr() == x.crow_indices().data_ptr()
    assert (is_csr(found), is_csr(features()), is_csr(x.to_sparse_coo())) == (True, False, False)


def test_stores_with_features_are_found() -> None:
    data = HeteroData()
    data["a"].x, data["b"].num_nodes, data["c"].x = features(), 3, csr(features())
    assert [store._key for store in feature_stores("Me", data)] == ["a", "c"]


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (None, ValueError, r"Me: the data has no x; add node features \[num_nodes, features\]"),
        ([1.0], TypeError, "Me: x must be a dense or a torch CSR tensor, got list"),
        (features().to_sparse_coo(), TypeError, r"got torch\.sparse_coo"),
        (torch.ones(3), ValueError, r"got \[3\]; use x\.view\(-1, 1\) for a single feature"),
    ],
)
def test_features_that_cannot_be_read(x: object, error: type[Exception], message: str) -> None:
    data = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=6)
    if x is not None:
        data.x = x
    with pytest.raises(error, match=message):
        feature_stores("Me", data)
