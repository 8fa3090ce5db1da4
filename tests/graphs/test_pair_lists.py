"""Lists of pairs beside the edges."""

import copy
import pickle

import pytest
import torch
from torch_geometric.data import Data, HeteroData

from gcl.graphs.pair_lists import (
    check_relabelled,
    mark_relabelled,
    pair_lists,
    pairs_by_first,
    pairs_inside,
)

PAIRS = torch.tensor([[0, 2, 1], [1, 1, 2]])


def test_names_and_what_goes_with_them():
    data = Data(
        edge_index=PAIRS,
        pos_edge_index=PAIRS,
        pos_weight=torch.ones(3),
        pos=torch.ones(3, 2),
        across_edge_index=PAIRS[:, :2],
        across_edge_weight=torch.ones(2),
        across_weight=torch.ones(3),  # of another length
        edge_label_index=PAIRS,
        edge_label=torch.ones(3),
    )
    assert pair_lists(data._store) == {
        "pos_edge_index": ["pos_weight"],
        "across_edge_index": ["across_edge_weight"],
        "edge_label_index": ["edge_label"],
    }


def test_pairs_of_the_first_rows():
    pairs, (weight,) = pairs_inside(PAIRS, [torch.tensor([1.0, 2.0, 3.0])], 2)
    assert (pairs.tolist(), weight.tolist()) == ([[0], [1]], [1.0])


def test_pairs_by_their_first_node():
    rowptr, order = pairs_by_first(PAIRS, 4)
    assert (rowptr.tolist(), order.tolist()) == ([0, 1, 2, 3, 3], [0, 2, 1])


def test_pairs_of_the_whole_graph_are_refused_in_a_batch():
    batch = Data(x=torch.ones(3, 1), edge_index=PAIRS, pos_edge_index=PAIRS)
    check_relabelled("fit", batch)  # no batch of a graph
    batch.n_id = torch.tensor([4, 5, 6])
    with pytest.raises(ValueError, match=r"^fit: pos_edge_index .*NeighborBatches"):
        check_relabelled("fit", batch)
    mark_relabelled(batch._store)
    for kept in (batch, copy.copy(batch), batch.clone(), pickle.loads(pickle.dumps(batch))):
        check_relabelled("fit", kept)
    types = HeteroData()
    types["paper"].n_id, types["paper"].pos_edge_index = torch.arange(3), PAIRS
    with pytest.raises(ValueError, match="pos_edge_index"):
        check_relabelled("fit", types)
