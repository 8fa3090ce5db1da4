"""The pairs of a graph's edges against networkx."""

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_networkx

import gcl
from gcl.augment import EdgeDropping
from gcl.testing import check_augmentation
from gcl.transforms.add_neighbor_positives import AddNeighborPositives


def test_edges_once_without_loops():
    torch.manual_seed(0)
    data = Data(edge_index=torch.randint(12, (2, 90)), num_nodes=12)
    graph = nx.DiGraph(to_networkx(data, remove_self_loops=True))
    found = AddNeighborPositives()(data).pos_edge_index
    assert found.t().tolist() == sorted(map(list, graph.edges))


def test_views_leave_the_pairs_alone():
    data = AddNeighborPositives()(gcl.datasets.load("karate"))
    view = EdgeDropping(1.0)(data.clone())
    assert view.num_edges == 0
    assert torch.equal(view.pos_edge_index, data.edge_index)


def test_a_batch_shifts_the_pairs():
    data = AddNeighborPositives()(gcl.datasets.load("karate"))
    batch = Batch.from_data_list([data, data])
    assert torch.equal(batch.pos_edge_index, AddNeighborPositives()(batch.clone()).pos_edge_index)


def test_promises_of_a_transform():
    check_augmentation(AddNeighborPositives(), hetero=False)


def test_bad_input():
    with pytest.raises(ValueError, match="AddNeighborPositives: data has no edge_index"):
        AddNeighborPositives()(Data(x=torch.ones(2, 1)))
    with pytest.raises(TypeError, match="AddNeighborPositives: expected a graph of one node type"):
        AddNeighborPositives()(gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6))
