"""MEOW: its options, clusters and features of any layout."""

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.data import HeteroData

import gcl
from gcl.transforms import AddMetaPaths
from tests.methods.papers import graph, make


def test_more_clusters_than_nodes():
    data = graph()
    gcl.fit(make("meow", data, clusters=(90,)), data, epochs=2)


@pytest.mark.parametrize(
    "options",
    [
        {"paths": {"contexts": "none"}},
        {"paths": {"contexts": "walk"}},
        {"norm": "layer"},
        {"paths": {"similarity": "count", "topk": 3}},
        {"clusters": 5},
    ],
)
def test_options(options):
    data = graph()
    method = make("meow", data, **options)
    gcl.fit(method, data, epochs=2)
    assert gcl.embed(method, data).shape == (40, 8)


def test_a_type_that_edges_alone_name():
    data = HeteroData()
    data["u"].x = torch.randn(3, 2)
    data["u", "to", "i"].edge_index = torch.tensor([[0, 1], [0, 1]])
    data["i", "to", "u"].edge_index = torch.tensor([[0, 1], [0, 1]])
    with pytest.raises(ValueError, match=r"set data\['i'\].num_nodes"):
        gcl.methods.meow(data, paths=AddMetaPaths([["u", "i", "u"]]))


@pytest.mark.parametrize("layout", ["coo", "csc"])
def test_sparse_features_of_any_layout_that_are_not_normalised(layout):
    data = graph()
    sparse = copy.copy(data)
    sparse["paper"].x = getattr(data["paper"].x.relu(), f"to_sparse_{layout}")()
    method = make("meow", sparse, normalize=False)
    gcl.fit(method, sparse, epochs=1)
