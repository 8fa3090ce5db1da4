from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import OneHotDegree

from gcl.transforms.add_degree_features import AddDegreeFeatures
from tests.odd_graphs import random_graph


def test_equal_to_pyg_where_no_degree_is_above():
    data = random_graph(20, 40, 0)
    expected = OneHotDegree(20, cat=False)(data.clone()).x
    assert torch.equal(AddDegreeFeatures(20)(data).x, expected)


def test_high_degrees_share_the_last_column_and_batches_work():
    star = torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])
    batch = Batch.from_data_list(
        [Data(edge_index=star, num_nodes=4), Data(edge_index=star[:, :0], num_nodes=1)]
    )
    x = AddDegreeFeatures(2)(batch).x
    assert x.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_input_untouched_and_errors():
    data = random_graph(5, 6, 0)
    x = data.x
    assert AddDegreeFeatures(3)(data) is not data
    assert data.x is x
    with pytest.raises(TypeError, match="HeteroData"):
        AddDegreeFeatures(3)(HeteroData())
    with pytest.raises(ValueError, match="no edge_index"):
        AddDegreeFeatures(3)(Data(num_nodes=2))
    with pytest.raises(ValueError, match="max_degree must be at least 0"):
        AddDegreeFeatures(-1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_is_that_of_the_features_that_go(dtype):
    edges = torch.tensor([[0, 1], [1, 0]])
    data = AddDegreeFeatures(2)(Data(x=torch.ones(3, 4, dtype=dtype), edge_index=edges))
    assert data.x.dtype == dtype
    assert data.x.tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]
    whole = AddDegreeFeatures(2)(Data(x=torch.ones(3, 4).long(), edge_index=edges))
    assert whole.x.dtype == torch.get_default_dtype()
