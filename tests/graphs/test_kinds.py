"""What comes in the place of a graph: named in the user's words, with what makes a graph of it."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GAT, GCN, GCNConv, GraphSAGE

import gcl
from gcl.graphs.kinds import (
    check_constant,
    check_features,
    check_graph,
    check_graph_or_loader,
    check_input,
    check_one_type,
    check_types,
    input_width,
    input_width_of_graphs,
    what_came,
)

GRAPH = gcl.datasets.sbm(20, degree=4, num_features=5)


class TwoGraphs(InMemoryDataset):
    def __init__(self):
        super().__init__()
        self.data, self.slices = self.collate([GRAPH, GRAPH])


CAME = {
    "None": (None, "None; see that the function that makes it returns it"),
    "text": ("cora", r"the text 'cora'; gcl\.datasets\.load"),
    "path": (Path("g.pt"), r"the text 'g\.pt'"),
    "class": (Data, r"the class Data; .*Data\(\.\.\.\)"),
    "function": (gcl.datasets.karate, "the function karate; call it"),
    "method": (gcl.methods.gbt(GRAPH, hidden=4), "TwoView, a method; the method comes before"),
    "hetero": (HeteroData(), r"HeteroData; data\.to_homogeneous\(\)"),
    "networkx": (nx.path_graph(3), r"a networkx Graph; .*utils\.from_networkx\(graph\)"),
    "scipy": (sp.eye_array(3), "a SciPy dia_array; .*from_scipy_sparse_matrix"),
    "array": (np.ones((3, 3)), r"ndarray \[3, 3\]; make a graph: Data\("),
    "tensor": (torch.ones(3, 3), r"Tensor \[3, 3\]; make a graph: Data\("),
    "dict": ({"x": 1}, r"dict; .*Data\.from_dict"),
    "loader": (DataLoader([GRAPH]), r"DataLoader; .*next\(iter\(loader\)\)"),
    "data set": (TwoGraphs(), r"TwoGraphs, a data set; .*dataset\[0\]"),
    "graphs": ([GRAPH, GRAPH], "a list of 2 graphs; .*from_data_list"),
    "pair": ((GRAPH.x, GRAPH.edge_index), r"a tuple of 2; make a graph: Data\("),
    "number": (3, "int"),
}


@pytest.mark.parametrize(("value", "words"), CAME.values(), ids=CAME)
def test_what_came(value, words):
    check = check_one_type if isinstance(value, HeteroData) else check_graph
    with pytest.raises(TypeError, match=f"^here: expected .*, got {words}") as caught:
        check("here", value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_long_texts_are_cut():
    assert len(what_came("x" * 10000)) < 200


@pytest.mark.parametrize("data", [GRAPH, Batch.from_data_list([GRAPH]), HeteroData()])
def test_graphs_pass(data):
    check_graph("here", data)
    check_graph_or_loader("here", data)


def test_loaders_pass_and_other_iterables_do_not():
    for loader in ([GRAPH], DataLoader([GRAPH]), (g for g in [GRAPH]), TwoGraphs()):
        check_graph_or_loader("here", loader)
    for name in ("None", "text", "path", "class", "networkx", "scipy", "array", "dict", "number"):
        with pytest.raises(TypeError, match=f"a loader of graphs, got {CAME[name][1]}"):
            check_graph_or_loader("here", CAME[name][0])


def test_features():
    check_features(torch.ones(2, 3), "data.x")
    check_features(torch.eye(3).to_sparse_csr(), "data.x")
    for x, error, words in (
        (np.ones((2, 3)), TypeError, r"got ndarray; use torch\.from_numpy\(x\)\.float\(\)"),
        (sp.eye_array(3), TypeError, r"dia_array; use torch\.from_numpy\(x\.toarray\(\)\)"),
        ([[1.0]], TypeError, r"got list; use torch\.tensor\(x\)\.float\(\)"),
        (torch.ones(2, 3).long(), TypeError, r"got torch\.int64; use x\.float\(\)"),
        (torch.ones(2, 3).bool(), TypeError, r"got torch\.bool; use x\.float\(\)"),
        (torch.ones(2), ValueError, r"got \[2\]; use x\.view\(-1, 1\)"),
        (torch.ones(2, 3, 4), ValueError, r"got \[2, 3, 4\]\."),
    ):
        with pytest.raises(error, match=rf"^data\.x: expected .*{words}"):
            check_features(x, "data.x")


def test_widths():
    assert input_width("here", GRAPH, None) == 5
    assert input_width("here", TwoGraphs(), None) == 5
    assert input_width_of_graphs("here", [GRAPH, GRAPH], None) == 5
    assert input_width_of_graphs("here", TwoGraphs(), None) == 5
    # An encoder of one's own may read other features, or draw its own.
    assert input_width("here", Data(x=torch.ones(3).long()), GCN(5, 4, 1)) == 0
    for bare in (Data(num_nodes=3), Data(x=torch.ones(3, 0))):
        with pytest.raises(ValueError, match=r"^here: the graph has no features x; .*AddDegree"):
            input_width("here", bare, None)
    with pytest.raises(ValueError, match="at least one graph, got an empty list"):
        input_width_of_graphs("here", [], None)
    with pytest.raises(TypeError, match=r"^here: data\.x: expected floating-point"):
        input_width("here", Data(x=torch.ones(3, 2).long()), None)


@pytest.mark.parametrize("encoder", [GAT(5, 4, 1), GraphSAGE(5, 4, 2), GCNConv(5, 4)])
def test_encoders_of_pyg_pass(encoder):
    assert input_width("here", GRAPH, encoder) == 0
    check_input("here", GRAPH, encoder)
    with pytest.raises(ValueError, match=r"made for 5 features a node, but data\.x is \[20, 3\]"):
        check_input("here", gcl.datasets.sbm(20, degree=4, num_features=3), encoder)


def test_widths_that_nobody_knows_pass():
    check_input("here", GRAPH, GCNConv(-1, 4))
    check_input("here", GRAPH, lambda x, edge_index, edge_weight: x)


def test_types():
    data = gcl.datasets.hetero_sbm(20, num_authors=20, num_subjects=6)
    check_types("here", data)
    with pytest.raises(TypeError, match="expected a HeteroData, got Data, a graph of one node"):
        check_types("here", GRAPH)
    with pytest.raises(TypeError, match="one HeteroData, got a batch of 2"):
        check_types("here", Batch.from_data_list([data, data]))


def test_constants():
    check_constant("here", GRAPH)
    with pytest.raises(ValueError, match=r"data\.x requires a gradient.*data\.x\.detach\(\)"):
        check_constant("here", Data(x=torch.nn.Embedding(3, 2).weight))
    data = HeteroData()
    data["a", "to", "a"].edge_weight = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"data\[\('a', 'to', 'a'\)\]\.edge_weight requires"):
        check_constant("here", data)
