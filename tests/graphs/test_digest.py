"""The name of all that a graph holds: every change changes it, nothing else does."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data, InMemoryDataset

import gcl
from gcl.graphs.digest import data_digest


def graph():
    return Data(
        x=torch.arange(6.0).view(3, 2),
        edge_index=torch.tensor([[0, 1], [1, 2]]),
        sparse=torch.eye(3).to_sparse_csr(),
        names=["a", "b", "c"],
        table=np.arange(3),
        matrix=sp.eye(3, format="csr"),
        number=1.5,
    )


CHANGES = {
    "a number": lambda d: d.x.__setitem__((1, 1), 7.0),
    "its sign": lambda d: d.x.__setitem__((0, 0), -0.0),
    "a type": lambda d: d.update({"x": d.x.double()}),
    "a shape": lambda d: d.update({"x": d.x.view(2, 3)}),
    "an edge less": lambda d: d.update({"edge_index": d.edge_index[:, :1]}),
    "a name": lambda d: d.update({"z": d.x}),
    "a value of a sparse one": lambda d: d.update({"sparse": 2 * d.sparse}),
    "a layout": lambda d: d.update({"sparse": d.sparse.to_dense()}),
    "a text": lambda d: d.names.__setitem__(0, "A"),
    "an array": lambda d: d.table.__setitem__(0, 9),
    "a SciPy matrix": lambda d: d.update({"matrix": 2 * d.matrix}),
    "a plain number": lambda d: d.update({"number": 1.25}),
    "none where there was one": lambda d: d.__delitem__("number"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_is_seen(change):
    before, data = data_digest(graph()), graph()
    change(data)
    assert data_digest(data) != before


def test_what_is_no_change():
    data = graph()
    turned = Data(**dict(reversed(data.to_dict().items())))
    strided = copy.copy(data)
    strided.x = torch.arange(6.0).view(3, 2).T.contiguous().T
    assert data_digest(data) == data_digest(graph()) == data_digest(turned)
    assert data_digest(strided) == data_digest(data)


def test_types_and_sets():
    data = gcl.datasets.hetero_sbm(30, num_authors=20, num_subjects=4)
    other = copy.deepcopy(data)
    assert data_digest(data) == data_digest(other)
    other["paper", "to", "author"].edge_index = other["paper", "to", "author"].edge_index[:, 1:]
    assert data_digest(data) != data_digest(other)

    def graphs(last):
        one, two = graph(), graph()
        two.x = torch.full((3, 2), last)
        for each in (one, two):
            del each.sparse, each.table, each.matrix
        return gcl.datasets.GraphSet("toy", *InMemoryDataset.collate([one, two]))

    both = graphs(1.0)
    assert len({data_digest(d) for d in (both, both[:1], both[1:], both[[1, 0]])}) == 4
    assert data_digest(graphs(1.0)) == data_digest(graphs(1.0)) != data_digest(graphs(2.0))
