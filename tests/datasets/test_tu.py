from __future__ import annotations

import pickle

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.io import read_tu_data
from torch_geometric.loader import DataLoader

from gcl.datasets import DATASETS, load
from gcl.datasets.tu import GraphSet, read_tu

# Graphs of three, one and two nodes; an edge twice, a self-loop, a node without edges.
FILES = {
    "A": "1, 2\n2, 1\n1, 2\n3, 3\n5, 6\n6, 5\n",
    "graph_indicator": "1\n1\n1\n2\n3\n3\n",
    "graph_labels": "-1\n1\n-1\n",
    "node_labels": "4\n6\n4\n5\n4\n4\n",
}


@pytest.fixture
def write(tmp_path):
    def make(**changes):
        for part, text in {**FILES, **changes}.items():
            path = tmp_path / f"TOY_{part}.txt"
            path.write_text(text) if text is not None else path.unlink(missing_ok=True)
        return tmp_path

    return make


def test_graphs_of_literal_files(write):
    graphs = read_tu(write(), "TOY", 0)
    assert [g.num_nodes for g in graphs] == [3, 1, 2]
    assert [g.edge_index.tolist() for g in graphs] == [
        [[0, 1], [1, 0]],
        [[], []],
        [[0, 1], [1, 0]],
    ]
    assert graphs[0].x.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert graphs.y.tolist() == [0, 1, 0]
    assert (graphs.num_features, graphs.num_classes) == (3, 2)


def test_degrees_stand_in_for_labels(write):
    graphs = read_tu(write(node_labels=None, A="1, 2\n2, 1\n2, 3\n3, 2\n"), "TOY", 1)
    assert graphs[0].x.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert graphs[1].x.tolist() == [[1, 0]]


def test_edge_labels_follow_their_edges(write):
    labels = "0\n0\n0\n1\n2\n2\n"
    graphs = read_tu(write(edge_labels=labels), "TOY", 0)
    assert graphs[2].edge_attr.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_set_of_graphs_is_list_like(write):
    graphs = read_tu(write(), "TOY", 0)
    assert repr(graphs) == "TOY(3)"
    assert isinstance(graphs[0], Data)
    few = graphs[torch.tensor([2, 0])]
    assert isinstance(few, GraphSet)
    assert [g.num_nodes for g in few] == [2, 3]
    (batch,) = DataLoader(graphs, batch_size=8)
    assert batch.num_graphs == 3
    assert batch.edge_index.tolist() == [[0, 1, 4, 5], [1, 0, 5, 4]]
    assert torch.equal(pickle.loads(pickle.dumps(graphs)).y, graphs.y)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"A": "1, 2\n1\n"}, "TOY_A.txt is not a file"),
        ({"A": "1, 7\n"}, r"names a node outside 1\.\.6"),
        ({"A": "0, 1\n"}, r"names a node outside 1\.\.6"),
        ({"A": "1, 4\n"}, "joins two graphs"),
        ({"A": "1\n2\n"}, "hold 1 numbers"),
        ({"A": "a, b\n"}, "TOY_A.txt is not a file"),
        ({"graph_indicator": "1\n2\n1\n2\n3\n3\n"}, "not sorted by graph"),
        ({"graph_labels": "1\n1\n"}, "labels 2 graphs"),
        ({"node_labels": "1\n1\n"}, "2 lines for 6"),
        ({"edge_labels": "1\n"}, "1 lines for 6"),
    ],
)
def test_broken_files_say_what_is_wrong(write, change, why):
    with pytest.raises(ValueError, match=why):
        read_tu(write(**change), "TOY", 0)


def test_no_edges_at_all(write):
    graphs = read_tu(write(A="", node_labels=None), "TOY", 2)
    assert [g.num_edges for g in graphs] == [0, 0, 0]
    assert graphs[0].x.tolist() == [[1, 0, 0]] * 3


@pytest.mark.parametrize(
    ("name", "graphs", "nodes", "edges", "classes"),
    [
        ("mutag", 188, 3371, 7442, [63, 125]),
        ("proteins", 1113, 43471, 162088, [663, 450]),
        ("nci1", 4110, 122747, 265506, [2053, 2057]),
        ("imdb-binary", 1000, 19773, 193062, [500, 500]),
    ],
)
def test_published_sets(published, name, graphs, nodes, edges, classes):
    data = load(name, published(name))
    found = (len(data), data._data.x.size(0), data._data.edge_index.size(1))
    assert found == (graphs, nodes, edges)
    assert data.y.bincount().tolist() == classes
    assert bool((data._data.x.sum(1) == 1).all())


def test_constant_features(published):
    ones = load("imdb-binary-constant", published("imdb-binary"))
    degrees = load("imdb-binary", published("imdb-binary"))
    assert torch.equal(ones._data.x, torch.ones(19773, 1))
    assert torch.equal(ones._data.edge_index, degrees._data.edge_index)
    assert torch.equal(ones.y, degrees.y)


@pytest.mark.parametrize("name", ["mutag", "imdb-binary"])
def test_equal_to_pyg(published, name):
    folder = published(name) / DATASETS[name].folder
    mine = load(name, published(name))
    theirs, slices, _ = read_tu_data(str(folder), folder.parent.name)
    for key in ("x", "edge_index", "edge_attr", "y"):
        if theirs.get(key) is not None:
            assert torch.equal(mine._data[key], theirs[key])
            assert torch.equal(mine.slices[key], slices[key])
