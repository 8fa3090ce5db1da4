"""What nodes can be coloured by."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import gcl
from gcl.report.attributes import as_attribute, attributes
from tests.cli.conftest import toy_graphs


def named(found):
    return {one.name: one for one in found}


def test_labels_are_named_as_they_are():
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.tensor([7, -1, 3]), num_nodes=3)
    label = named(attributes(torch.eye(3), data))["label"]
    assert [label.names[code] if code >= 0 else None for code in label.values] == ["7", None, "3"]


def test_several_targets_and_amounts():
    y = torch.tensor([[0.0, 0.5], [1.0, 2.5], [float("nan"), 1.0]])
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), y=y, num_nodes=3)
    found = named(attributes(torch.eye(3), data))
    assert found["target 0"].values.tolist() == [0, 1, -1]
    assert found["target 1"].values.tolist() == [0.5, 2.5, 1.0]
    assert not found["target 1"].names


def test_whatever_the_data_says_of_each_node():
    data = gcl.datasets.load("karate")
    n = data.num_nodes
    data.kind = ["<b>", "a"] * (n // 2)
    data.amount = torch.arange(n).float() / 3
    data.ids = np.array([f"node {i}" for i in range(n)])
    data.chosen = torch.arange(n) % 3 == 0
    data.note = "one text for all"
    data.pos = torch.zeros(n, 2)
    data.edge_weight = torch.ones(data.num_edges)
    found = named(attributes(torch.randn(n, 8), data))
    assert [*found] == ["label", "cluster", "amount", "chosen", "ids", "kind", "degree"]
    assert [found["kind"].names[c] for c in found["kind"].values] == data.kind
    assert found["chosen"].values.tolist() == data.chosen.int().tolist()
    into = [int((data.edge_index[1] == i).sum()) for i in range(n)]
    assert found["degree"].values.tolist() == into


def test_clusters_are_found_and_the_largest_comes_first():
    torch.manual_seed(0)
    centres = torch.eye(3, 16)[[0] * 10 + [1] * 30 + [2] * 20]
    (found,) = attributes(centres + 0.05 * torch.randn(60, 16), None)
    assert found.names == ["1", "2", "3"]  # as many as there are
    assert found.values.tolist() == [2] * 10 + [0] * 30 + [1] * 20


def test_as_many_clusters_as_classes():
    data = gcl.datasets.load("karate")
    assert len(named(attributes(torch.randn(34, 4), data))["cluster"].names) == 4


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows(rows):
    (found,) = attributes(torch.ones(rows, 2), None)
    assert found.values.tolist() == [0] * rows


def test_graphs_of_a_set_have_sizes():
    graphs = toy_graphs()
    found = named(attributes(torch.randn(40, 4), graphs))
    assert found["nodes"].values.tolist() == [4 + i % 5 for i in range(40)]
    assert found["label"].values.tolist() == [i % 2 for i in range(40)]


def test_many_texts_are_names_of_nodes():
    found = as_attribute("id", [f"n{i}" for i in range(1500)])
    assert found.values is None
    assert found.names[1499] == "n1499"


@pytest.mark.parametrize("values", [torch.zeros(3, 2), np.zeros((2, 2, 2)), np.array([1j, 2j])])
def test_what_is_no_attribute(values):
    assert as_attribute("what", values) is None
