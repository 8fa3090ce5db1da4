from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData

from gcl.graphs.validate import validate_graph
from gcl.transforms import ToSparseFeatures


def _data(x: torch.Tensor) -> Data:
    return Data(x=x, edge_index=torch.tensor([[0], [0]]), y=torch.zeros(x.size(0)))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    limit=st.floats(0, 1),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 999),
)
def test_sparse_exactly_below_the_limit_and_the_same_matrix(rows, cols, limit, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, cols, generator=generator, dtype=dtype)
    x[torch.rand(rows, cols, generator=generator) < 0.6] = 0
    before = x.clone()
    data = _data(x)
    out = ToSparseFeatures(max_density=limit)(data)
    filled = sum(value != 0 for row in x.tolist() for value in row)
    assert (out.x.layout == torch.sparse_csr) == (filled < limit * rows * cols)
    assert torch.equal(out.x.to_dense() if out.x.is_sparse_csr else out.x, before)
    assert out.x.dtype == dtype
    assert data.x is x
    assert torch.equal(x, before)
    again = ToSparseFeatures(max_density=limit)(out)
    assert again.x is out.x


def test_indices_are_int64_and_values_keep_their_gradient():
    x = torch.eye(5).requires_grad_()
    out = ToSparseFeatures(0.5)(_data(x)).x
    assert out.crow_indices().dtype == out.col_indices().dtype == torch.int64
    (out @ torch.arange(10.0).reshape(5, 2)).sum().backward()
    assert torch.equal(x.grad, torch.diag(torch.tensor([1.0, 5.0, 9.0, 13.0, 17.0])))


def test_nan_is_kept_so_that_validation_sees_it():
    x = torch.zeros(4, 4)
    x[2, 1] = float("nan")
    with pytest.raises(ValueError, match="1 of 4 rows hold NaN"):
        validate_graph(ToSparseFeatures()(_data(x)))


def test_node_types_are_judged_on_their_own():
    data = HeteroData()
    data["word"].x, data["dense"].x, data["bare"].num_nodes = torch.eye(20), torch.ones(3, 3), 4
    data["word", "to", "dense"].edge_index = torch.empty(2, 0, dtype=torch.long)
    out = ToSparseFeatures()(data)
    assert out["word"].x.is_sparse_csr
    assert out["dense"].x is data["dense"].x
    assert not data["word"].x.is_sparse_csr
    assert "x" not in out["bare"]


@pytest.mark.parametrize("x", [None, torch.zeros(0, 3), torch.zeros(3, 0), torch.zeros(5)])
def test_nothing_to_store(x):
    data = Data(x=x, edge_index=torch.empty(2, 0, dtype=torch.long))
    assert ToSparseFeatures()(data).x is x


def test_graphs_with_csr_features_work_as_graphs():
    data = ToSparseFeatures()(_data(torch.eye(20)))
    assert (data.num_nodes, data.num_features) == (20, 20)
    assert data.validate()
    assert repr(data) == "Data(x=[20, 20], edge_index=[2, 1], y=[20])"
    for other in (copy.copy(data), data.to("cpu"), data.clone(), pickle.loads(pickle.dumps(data))):
        assert torch.equal(other.x.to_dense(), torch.eye(20))
    batch = Batch.from_data_list([data, data])
    validate_graph(batch)
    assert torch.equal(batch.x.to_dense(), torch.eye(20).repeat(2, 1))


@pytest.mark.parametrize("limit", [-0.1, 1.5, float("nan")])
def test_limit_outside_its_range(limit):
    with pytest.raises(ValueError, match=r"ToSparseFeatures: max_density must lie in \[0, 1\]"):
        ToSparseFeatures(limit)


def test_repr_and_pickle():
    transform = ToSparseFeatures(0.3)
    assert repr(pickle.loads(pickle.dumps(transform))) == "ToSparseFeatures(max_density=0.3)"
