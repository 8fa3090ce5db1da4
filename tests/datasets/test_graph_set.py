"""Lists of graphs and PyG's data sets as sets of graphs."""

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset

from gcl.cli import main
from gcl.datasets import GraphSet, as_graph_set, is_set_of_graphs


def ring(num_nodes, y=None, width=3):
    src = torch.arange(num_nodes)
    edges = torch.stack([src, (src + 1) % num_nodes])
    found = Data(edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=num_nodes)
    if width:
        found.x = torch.randn(num_nodes, width, generator=torch.Generator().manual_seed(num_nodes))
    if y is not None:
        found.y = y
    return found


def rings_and_paths():
    """What a user's file gives: a list of labelled graphs."""
    graphs = []
    for at in range(40):
        graph = ring(5 + at % 4, y=at % 2)
        if at % 2:
            graph.edge_index = graph.edge_index[:, :3]
        graphs.append(graph)
    return graphs


class Rings(InMemoryDataset):
    """A data set as PyG's guide builds one."""

    def __init__(self):
        super().__init__()
        self.data, self.slices = self.collate(
            [ring(4, torch.tensor([1])), ring(6, torch.tensor([0]))]
        )


def test_graphs_come_out_as_they_went_in():
    graphs = rings_and_paths()
    found = as_graph_set(graphs, "mine")
    assert isinstance(found, GraphSet)
    assert repr(found) == "mine(40)"
    assert found.y.tolist() == [at % 2 for at in range(40)]
    for one, other in zip(found, graphs, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.edge_index, other.edge_index)
    assert as_graph_set(found) is found
    assert graphs[0].y == 0  # as it was


def test_one_graph_is_a_set_of_one():
    graph = Data(x=torch.rand(3, 2), edge_index=torch.tensor([[0, 1], [1, 2]]), y=1)
    found = as_graph_set([graph])
    assert (len(found), found.y.tolist()) == (1, [1])
    assert torch.equal(found[0].x, graph.x)
    assert torch.equal(found[0].edge_index, graph.edge_index)


def test_graphs_without_features_get_degrees():
    found = as_graph_set([ring(4, 0, width=0), ring(5, 1, width=0)])
    assert found.num_features == 65
    assert found[0].x.argmax(1).tolist() == [2] * 4


def test_graphs_without_labels():
    found = as_graph_set([ring(4), ring(5)])
    assert "y" not in found[0]


@pytest.mark.parametrize(
    ("graphs", "kind", "said"),
    [
        ([], ValueError, "at least one graph"),
        (5, TypeError, "a list of PyG Data or a data set of them, got 5"),
        ([Data(x=torch.ones(2, 2))], ValueError, "at position 0 has no edge_index"),
        ([ring(3), "graph"], TypeError, "at position 1"),
        ([HeteroData()], TypeError, "HeteroData"),
        ([Batch.from_data_list([ring(3)])], TypeError, "at position 0"),
        ([ring(3, 0), ring(3)], ValueError, "1 of 2 graphs have a label"),
        ([ring(3, width=2), ring(3, width=4)], ValueError, "got widths 2, 4"),
        ([ring(3, width=2), ring(3, width=0)], ValueError, "got widths 2, none"),
        ([ring(3, torch.zeros(3))], ValueError, r"got shape \(3,\) at position 0"),
    ],
)
def test_what_is_no_set_of_graphs(graphs, kind, said):
    with pytest.raises(kind, match=said):
        as_graph_set(graphs)


def test_which_things_are_sets_of_graphs():
    assert is_set_of_graphs([ring(3)])
    assert is_set_of_graphs(Rings())
    assert not is_set_of_graphs(ring(3))
    assert not is_set_of_graphs("graphs")
    assert len(as_graph_set(Rings())) == 2


def test_a_list_of_graphs_is_trained_on_without_further_options(capsys):
    name = "tests.datasets.test_graph_set:rings_and_paths"
    assert main(["train", "graphcl", name, "--hidden", "4", "--epochs", "1"]) == 0
    assert "10-fold-svm" in capsys.readouterr().out
