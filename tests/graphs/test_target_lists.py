"""Edges by target, against plain Python."""

import pytest
import torch

from gcl.graphs.target_lists import all_slots, target_lists


@pytest.mark.parametrize("is_sorted", [False, True])
def test_edges_by_target(is_sorted):
    edge_index = torch.randint(9, (2, 60), generator=torch.Generator().manual_seed(0))
    if is_sorted:
        edge_index = edge_index[:, edge_index[1].argsort()]
    lists = target_lists(edge_index, 9, 11)
    assert (lists.perm is None) == is_sorted
    assert lists.source.data_ptr() == edge_index.data_ptr()  # no copy
    assert is_sorted or lists.perm.dtype == torch.int32
    assert len(lists.rowptr) == 12
    for node in range(11):
        slots = torch.arange(int(lists.rowptr[node]), int(lists.rowptr[node + 1]))
        expected = [e for e, t in enumerate(edge_index[1].tolist()) if t == node]
        assert lists.edges(slots).tolist() == expected
        assert lists.source[lists.edges(slots)].tolist() == edge_index[0, expected].tolist()


def test_slots_of_no_node_and_of_nodes_without_edges():
    rowptr = torch.tensor([0, 0, 2, 2])
    for nodes in (torch.empty(0, dtype=torch.long), torch.tensor([0, 2])):
        row, slot = all_slots(rowptr, nodes)
        assert row.shape == slot.shape == (0,)
    row, slot = all_slots(rowptr, torch.tensor([2, 1, 0]))
    assert (row.tolist(), slot.tolist()) == ([1, 1], [0, 1])
