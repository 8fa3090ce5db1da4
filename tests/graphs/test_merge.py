"""Parts of a batch against batches of the chosen graphs, and back."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from gcl.graphs.merge import merge_graphs, split_graphs
from gcl.graphs.selection import take_edges
from tests.odd_graphs import random_graph


def graphs() -> list[Data]:
    """Of all sizes, also without edges and without nodes."""
    found = []
    for number, (n, e) in enumerate([(6, 12), (1, 0), (0, 0), (9, 25), (4, 3), (4, 4)]):
        graph = random_graph(max(n, 1), e, number, undirected=False)
        if n == 0:
            graph = graph.subgraph(torch.zeros(1, dtype=torch.bool))
        graph.label = torch.tensor([number])
        graph.x = graph.x + 100 * number
        found.append(graph)
    return found


NAMES = ("x", "edge_index", "edge_attr", "edge_weight", "y", "train_mask", "batch", "ptr")
GROUP = torch.tensor([1, 0, 1, 0, 2, 1])


def test_a_part_is_the_batch_of_its_graphs_and_others_without_nodes() -> None:
    every = graphs()
    parts = split_graphs(Batch.from_data_list(every), GROUP, 4)
    assert len(parts) == 4
    for number, part in enumerate(parts):
        expected = Batch.from_data_list(
            [
                graph if GROUP[i] == number else graph.subgraph(torch.zeros(graph.num_nodes).bool())
                for i, graph in enumerate(every)
            ]
        )
        for name in NAMES:
            assert torch.equal(part[name], expected[name]), (number, name)
        for mine, graph in zip(part.to_data_list(), expected.to_data_list(), strict=True):
            assert mine.num_nodes == graph.num_nodes
            assert torch.equal(mine.edge_index, graph.edge_index)


def test_parts_that_stay_as_they_are_make_the_batch_again() -> None:
    data = Batch.from_data_list(graphs())
    before = data.clone()
    out = merge_graphs(data, split_graphs(data, GROUP, 3))
    for name in (*NAMES, "label"):
        assert torch.equal(out[name], data[name]), name
        assert torch.equal(before[name], data[name]), name
    for mine, graph in zip(out.to_data_list(), graphs(), strict=True):
        assert all(torch.equal(mine[name], graph[name]) for name in graph.to_dict())


def test_what_became_of_the_parts_is_taken() -> None:
    data = Batch.from_data_list(graphs())
    parts = split_graphs(data, GROUP, 3)
    for number, part in enumerate(parts):
        part.x = part.x * 0 + number
    out = merge_graphs(data, parts)
    assert torch.equal(out.x[:, 0], GROUP[data.batch].float())
    assert torch.equal(out.edge_index, data.edge_index)


def test_sparse_features_too() -> None:
    data = Batch.from_data_list(graphs())
    sparse = copy.copy(data)
    sparse.x = data.x.to_sparse_csr()
    parts = split_graphs(sparse, GROUP, 3)
    for mine, part in zip(parts, split_graphs(data, GROUP, 3), strict=True):
        assert torch.equal(mine.x.to_dense(), part.x)
    assert torch.equal(merge_graphs(sparse, parts).x.to_dense(), data.x)


def test_what_cannot_be_put_together() -> None:
    data = Batch.from_data_list(graphs())
    parts = split_graphs(data, GROUP, 3)
    parts[1].extra_node_rank = torch.zeros(parts[1].num_nodes)
    with pytest.raises(ValueError, match="only some have extra_node_rank"):
        merge_graphs(data, parts)
    data.pair_index = torch.zeros(2, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="'pair_index' looks like node numbers"):
        split_graphs(data, GROUP, 3)


def test_lists_of_names_go_apart_and_come_together() -> None:
    parts = []
    for n in (3, 2, 4):
        edges = torch.stack([torch.arange(n), torch.arange(n).roll(-1)])
        names = {"names": [f"n{i}" for i in range(n)], "edge_names": np.array(list("abcd"))[:n]}
        parts.append(Data(x=torch.ones(n, 1), edge_index=edges, **names))
    data = Batch.from_data_list(parts)
    first, second = split_graphs(data, torch.tensor([0, 1, 0]), 2)
    assert first.names == [["n0", "n1", "n2"], [], ["n0", "n1", "n2", "n3"]]
    take_edges(first, first._store, torch.tensor([1, 3, 6]))
    assert [list(names) for names in first.edge_names] == [["b"], [], ["a", "d"]]
    out = merge_graphs(data, [first, second])
    assert [list(names) for names in out.edge_names] == [["b"], ["a", "b"], ["a", "d"]]
    assert out.names == data.names
    assert out.get_example(2).edge_index.tolist() == [[0, 3], [1, 0]]
    assert list(out.get_example(2).edge_names) == ["a", "d"]
