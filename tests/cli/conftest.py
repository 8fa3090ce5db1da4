"""Few runs of what takes the time, and graphs of one's own."""

import sys
from types import MappingProxyType

import pytest
import torch
from torch_geometric.data import Data, InMemoryDataset

import gcl
from gcl import datasets
from gcl.datasets import Source
from tests.boards import shorten


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    shorten(monkeypatch)


OWN = """
import torch
from torch_geometric.data import Data
import gcl

WORD = "no function"

def good():
    return gcl.datasets.load("karate")

def broken(change):
    data = good()
    change(data)
    return data

def nan(): return broken(lambda d: d.x.__setitem__((0, 0), float("nan")))
def float_edges(): return broken(lambda d: d.update({"edge_index": d.edge_index.float()}))
def out_of_range(): return broken(lambda d: d.edge_index.__setitem__((0, 0), 34))
def attr_length(): return broken(lambda d: d.update({"edge_attr": torch.ones(3, 1)}))
def no_labels(): return broken(lambda d: d.__delitem__("y"))
def targets():
    data = good()
    y = torch.stack([data.y % 2, (data.y > 1).long(), (torch.arange(34) % 3 == 0).long()], 1)
    data.y = y.float()
    data.y[:4, 1] = float("nan")
    return data

def alike():
    ring = torch.arange(34)
    edges = torch.stack([ring, ring.roll(1)])
    y = gcl.datasets.karate().y
    return Data(x=torch.ones(34, 3), edge_index=torch.cat([edges, edges.flip(0)], 1), y=y)

def recipe(data, *, hidden: int = 4): return gcl.methods.grace(data, hidden=hidden)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_graphs.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_graphs"
    sys.modules.pop("own_graphs", None)


def toy_graphs():
    """Forty graphs of two classes, paths and stars, with the degree as the feature."""
    graphs = []
    for i in range(40):
        n = 4 + i % 5
        ends = torch.arange(1, n)
        one_way = torch.stack([ends - 1 if i % 2 else torch.zeros_like(ends), ends])
        edges = torch.cat([one_way, one_way.flip(0)], 1)
        data = Data(edge_index=edges, num_nodes=n, y=torch.tensor([i % 2]))
        graphs.append(gcl.transforms.AddDegreeFeatures(3)(data))
        del graphs[-1].num_nodes
    collated = InMemoryDataset.collate(graphs)
    return gcl.datasets.GraphSet("toy", *collated)


@pytest.fixture
def toy(monkeypatch):
    """A set of graphs known by name."""
    source = Source("paths and stars", "nobody", lambda _: toy_graphs(), graphs=True)
    known = MappingProxyType({**datasets.DATASETS, "toy": source})
    monkeypatch.setattr(sys.modules["gcl.datasets.load"], "DATASETS", known)
    monkeypatch.setattr(datasets, "DATASETS", known)
    monkeypatch.setattr("gcl.cli.names.dataset_names", lambda: list(known))
