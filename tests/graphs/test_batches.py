"""Which graph a node is of."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from gcl.graphs.batches import membership


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


def test_helper_rows_are_of_no_graph() -> None:
    data = Batch.from_data_list([Data(x=torch.ones(n, 1)) for n in (2, 1)])
    for batch in (data.batch, torch.tensor([0, 0, 1, 0])):  # of nodes, and of every row
        view = Data(x=torch.ones(4, 1), batch=batch, slow_node_mask=torch.arange(4) == 3)
        found, count = membership(view, torch.ones(3, 1))
        assert (found.tolist(), count) == ([0, 0, 1], 2)
