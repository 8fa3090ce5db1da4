"""What belongs to edges, nodes and graphs, and a batch that still comes apart afterwards."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from gcl.graphs.selection import (
    edge_attributes,
    edge_stores,
    ends,
    fix_num_nodes,
    graphs,
    node_attributes,
    rising_pointer,
    set_edge_weight,
    take,
    take_edges,
    tell_owners,
)
from tests.odd_graphs import batch, hetero, random_graph


def square() -> Data:
    """As many edges as nodes, so that a length tells nothing."""
    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    return Data(x=torch.ones(4, 2), edge_index=edges, edge_attr=torch.arange(4), y=torch.ones(4))


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_names_of_what_has_a_row_an_edge_or_a_node(copies: int) -> None:
    data = Batch.from_data_list([square()] * copies) if copies else square()
    assert set(edge_attributes(data, data._store)) == {"edge_index", "edge_attr"}
    assert {"x", "y"} <= set(node_attributes(data._store)) <= {"x", "y", "batch"}


def test_labels_of_as_many_graphs_as_nodes_or_edges_belong_to_graphs() -> None:
    parts = [
        Data(x=torch.ones(n, 1), edge_index=torch.tensor([[0], [0]]), y=torch.tensor([0]))
        for n in (1, 2, 1)
    ]
    data = Batch.from_data_list(parts)
    assert data.num_edges == len(data.y) == 3  # an edge a graph
    assert edge_attributes(data, data._store) == ["edge_index"]
    assert "y" not in node_attributes(data._store)
    tell_owners(data)
    assert data._store.__dict__["_owner"] == {
        "x": "node", "edge_index": "edge", "y": "graph", "batch": "node", "ptr": "graph",
    }  # fmt: skip


def test_edges_are_taken_with_all_that_is_theirs() -> None:
    data = square()
    data.edge_name = np.array(["a", "b", "c", "d"])
    data.edge_list = torch.arange(8).view(4, 2)
    take_edges(data, data._store, torch.tensor([3, 1]))
    assert data.edge_index.tolist() == [[3, 1], [0, 2]]
    assert data.edge_attr.tolist() == [3, 1]
    assert data.edge_name.tolist() == ["d", "b"]
    assert data.edge_list.tolist() == [[6, 7], [2, 3]]
    assert data.x.shape == (4, 2)


def test_rows_of_sparse_features_are_taken() -> None:
    data = square()
    data.x = torch.arange(8.0).view(4, 2).to_sparse_csr()
    take(data, data._store, ["x"], torch.tensor([2, 0]), None)
    assert data.x.to_dense().tolist() == [[4, 5], [0, 1]]


def test_a_batch_comes_apart_after_edges_were_taken_and_weighed() -> None:
    data = batch()
    out = copy.copy(data)
    keep = torch.arange(data.num_edges) % 3 != 0
    take_edges(out, out._store, keep.nonzero().view(-1))
    set_edge_weight(out, out._store, torch.arange(out.num_edges).float())
    weights = torch.arange(out.num_edges).float()
    for old, mask, new in zip(
        data.to_data_list(),
        keep.split([graph.num_edges for graph in data.to_data_list()]),
        out.to_data_list(),
        strict=True,
    ):
        assert torch.equal(new.edge_index, old.edge_index[:, mask])
        assert torch.equal(new.edge_attr, old.edge_attr[mask])
        assert torch.equal(new.x, old.x)
        assert torch.equal(new.edge_weight, weights[: new.num_edges])
        weights = weights[new.num_edges :]
    assert data.edge_index.shape[1] == len(keep)


def test_sizes_are_written_down_before_edges_go() -> None:
    data = Data(edge_index=torch.tensor([[0, 5], [1, 2]]))
    fix_num_nodes(data)
    data.edge_index = data.edge_index[:, :0]
    assert data.num_nodes == 6
    typed = HeteroData()
    typed["a", "to", "b"].edge_index = torch.tensor([[0, 2], [4, 1]])
    typed["b", "to", "a"].edge_index = torch.tensor([[6], [0]])
    typed["c"].x = torch.ones(9, 1)
    fix_num_nodes(typed)
    assert [typed[kind].num_nodes for kind in "abc"] == [3, 7, 9]
    assert "num_nodes" not in typed["c"]


def test_graph_of_every_node() -> None:
    data = batch()
    of_node, count = graphs(data, data._store)
    assert count == 3
    assert of_node.tolist() == [i for i, n in enumerate(data.ptr.diff()) for _ in range(int(n))]
    single = random_graph(4, 5, 0)
    alone, count = graphs(single, single._store)
    assert (alone.tolist(), count) == ([0] * 4, 1)
    many = Batch.from_data_list([hetero(), hetero()])
    source, target = ends(many, many["author", "writes", "paper"])
    assert (source._key, target._key) == ("author", "paper")
    assert graphs(many, source)[0].tolist() == [0] * 4 + [1] * 4


def test_borders_of_rows_in_order() -> None:
    graph = torch.tensor([0, 0, 2, 2, 2, 5])
    expected = np.searchsorted(graph.numpy(), np.arange(8))
    assert rising_pointer(graph, 7).tolist() == expected.tolist()


def test_stores_without_edges() -> None:
    with pytest.raises(ValueError, match="Me: data has no edge_index; add one of shape"):
        edge_stores("Me", Data(x=torch.ones(2, 1)))
    data = HeteroData()
    data["a"].x = torch.ones(2, 1)
    with pytest.raises(ValueError, match="Me: the data has no edge type"):
        edge_stores("Me", data)
    data["a", "to", "a"].edge_attr = torch.ones(2)
    with pytest.raises(ValueError, match=r"Me: data\[\('a', 'to', 'a'\)\] has no edge_index"):
        edge_stores("Me", data)
