"""Which graph a node is of, and which rows of a batch count."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from gcl.graphs.batches import membership, seed_rows
from tests.odd_graphs import random_graph


def test_one_graph_is_one_graph() -> None:
    z = torch.ones(3, 2)
    batch, count = membership(Data(x=z), z)
    assert (batch.tolist(), count) == ([0, 0, 0], 1)
    assert batch.dtype == torch.int64


@pytest.mark.parametrize("sizes", [[2, 3], [2, 0], [0, 1, 0]])
def test_graphs_without_nodes_count_too(sizes: list[int]) -> None:
    data = Batch.from_data_list([Data(x=torch.ones(n, 1)) for n in sizes])
    batch, count = membership(data, data.x)
    assert count == len(sizes)
    assert batch.bincount(minlength=count).tolist() == sizes


def test_a_plain_graph_with_a_batch_vector() -> None:
    z = torch.ones(3, 2)
    batch, count = membership(Data(x=z, batch=torch.tensor([0, 0, 2])), z)
    assert (batch.tolist(), count) == ([0, 0, 2], 3)
    assert membership(Data(x=z[:0], batch=torch.empty(0, dtype=torch.long)), z[:0])[1] == 0


def test_only_seed_nodes_of_a_sampled_neighbourhood_count() -> None:
    # As PyG's NeighborLoader writes it: the seeds first, then their neighbours.
    sampled = Data(x=torch.arange(7.0)[:, None], input_id=torch.tensor([4, 9, 5]), batch_size=3)
    assert seed_rows(sampled.x, sampled).tolist() == [[0], [1], [2]]
    assert seed_rows(sampled.x * 2, sampled).tolist() == [[0], [2], [4]]


def test_a_batch_of_graphs_has_no_seed_nodes() -> None:
    data = Batch.from_data_list([random_graph(4, 6, 0)] * 2)
    assert data.batch_size == 2  # the number of its graphs
    assert seed_rows(data.x, data) is data.x
