"""Subgraphs against networkx, and batches against their graphs alone."""

from __future__ import annotations

import copy

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils import to_networkx

from gcl.graphs.induced import check_relabelling, keep_nodes
from tests.odd_graphs import batch, hetero, random_graph


def kept(data: Data, mask: torch.Tensor) -> Data:
    out = copy.copy(data)
    keep_nodes(out, list(out.edge_stores), {None: mask})
    return out


def some(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_edges_are_those_that_networkx_keeps(seed: int) -> None:
    data, mask = random_graph(12, 30, seed, undirected=False), some(12, seed)
    before = data.clone()
    out = kept(data, mask)
    nodes = mask.nonzero().view(-1)
    graph = to_networkx(before).subgraph(nodes.tolist())
    # Rows tell where they came from, so edges can be named by the old numbers.
    assert out.y.tolist() == nodes.tolist()
    old = out.y[out.edge_index]
    assert sorted(map(tuple, old.t().tolist())) == sorted(graph.edges())
    assert torch.equal(out.edge_weight.long(), old[0] * 1000 + old[1])
    assert nx.is_isomorphic(to_networkx(out), graph)
    assert all(torch.equal(before[name], data[name]) for name in before.to_dict())


@pytest.mark.parametrize("mask", [torch.ones(9).bool(), torch.zeros(9).bool()])
def test_all_and_none(mask: torch.Tensor) -> None:
    data = random_graph(9, 20, 0)
    out = kept(data, mask)
    assert out.num_nodes == int(mask.sum())
    assert out.num_edges == (data.num_edges if mask.all() else 0)
    assert out.edge_attr.shape == (out.num_edges, 2)


def test_graphs_of_a_batch_are_what_they_would_be_alone() -> None:
    data = batch()
    mask = some(data.num_nodes, 1)
    found = kept(data, mask).to_data_list()
    for graph, keep, part in zip(
        data.to_data_list(), mask.split(data.ptr.diff().tolist()), found, strict=True
    ):
        alone = kept(graph, keep)
        assert part.num_nodes == int(keep.sum())
        for name in ("x", "edge_index", "edge_attr", "edge_weight", "y", "label"):
            assert torch.equal(part[name], alone[name]), name


def test_node_types_are_renumbered_apart() -> None:
    data = hetero()
    masks = {"paper": torch.tensor([1, 0, 1, 1, 1]).bool(), "author": some(4, 2)}
    out = copy.copy(data)
    keep_nodes(out, list(out.edge_stores), masks)
    number = {kind: mask.nonzero().view(-1) for kind, mask in masks.items()}
    for kind, nodes in number.items():
        assert torch.equal(out[kind].x, data[kind].x[nodes])
    for name in data.edge_types:
        edges = data[name].edge_index.t().tolist()
        expected = [(u, v) for u, v in edges if bool(masks[name[0]][u]) and bool(masks[name[2]][v])]
        source, target = out[name].edge_index
        old = zip(number[name[0]][source].tolist(), number[name[2]][target].tolist(), strict=True)
        assert list(old) == expected
    assert out.validate()


@pytest.mark.parametrize("name", ["neg_edge_index", "face", "train_index"])
def test_other_node_numbers_are_refused(name: str) -> None:
    data = random_graph(4, 6, 0)
    check_relabelling("Me", data)
    data[name] = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match=f"Me: '{name}' looks like node numbers, which change"):
        check_relabelling("Me", data)
    typed = HeteroData()
    typed["a"][name] = torch.tensor([0])
    with pytest.raises(ValueError, match=name):
        check_relabelling("Me", typed)


def test_a_batch_of_one_type_stays_a_batch() -> None:
    data = batch()
    out = kept(data, torch.zeros(data.num_nodes, dtype=torch.bool))
    assert isinstance(out, Batch)
    assert [graph.num_nodes for graph in out.to_data_list()] == [0, 0, 0]
    assert out.label.tolist() == [0, 1, 2]
