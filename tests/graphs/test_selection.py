"""What belongs to edges, nodes and graphs, and a batch that still comes apart afterwards."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from gcl.graphs.induced import keep_nodes
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


def ring(n: int = 5) -> Data:
    """As many edges as nodes; every row tells whose it is, whatever it is held in."""
    nodes = torch.arange(n)
    edges = torch.stack([nodes, (nodes + 1) % n])
    return Data(
        x=nodes.view(n, 1).float(),
        edge_index=edges,
        attr=nodes.clone(),
        names=[f"n{i}" for i in range(n)],
        letters=np.array([f"n{i}" for i in range(n)]),
        pair=tuple(range(n)),
        edge_names=[f"e{i}" for i in range(n)],
        edge_letters=np.array([f"e{i}" for i in range(n)]),
        edge_pair=tuple(range(n)),
        my_edge_attr=nodes.clone(),
        e_id=nodes.clone(),
    )


OF_NODES = {"x", "attr", "names", "letters", "pair"}
OF_EDGES = {"edge_index", "edge_names", "edge_letters", "edge_pair", "my_edge_attr", "e_id"}


@pytest.mark.parametrize("first", ["nodes", "edges", "of pyg"])
def test_in_a_ring_the_name_decides_whatever_holds_the_rows(first: str) -> None:
    data = ring()
    if first == "of pyg":  # which remembers its answers
        data.edge_attrs(), data.node_attrs()
    for _ in range(2):
        if first == "edges":
            assert set(edge_attributes(data, data._store)) == OF_EDGES
        assert set(node_attributes(data._store)) == OF_NODES
        assert set(edge_attributes(data, data._store)) == OF_EDGES


def rows_of(data: Data, names: set[str]) -> dict[str, list[int]]:
    """The numbers that rows were given, without letters."""
    return {
        name: [int(v[1:]) if isinstance(v, str) else int(v) for v in data[name]]
        for name in names - {"edge_index"}
    }


@pytest.mark.parametrize("batched", [False, True])
def test_rings_are_cut_where_they_are_named(batched: bool) -> None:
    parts = [ring(5), ring(1), ring(4)]
    data: Data = Batch.from_data_list(parts) if batched else parts[0]
    keep = torch.arange(data.num_edges) % 3 != 1
    fewer = copy.copy(data)
    take_edges(fewer, fewer._store, keep.nonzero().view(-1))
    stay = torch.arange(data.num_nodes) % 3 != 1
    smaller = copy.copy(data)
    keep_nodes(smaller, smaller.edge_stores, {None: stay})
    alive = stay[data.edge_index].all(0)
    start = 0
    for i, old in enumerate(parts[: 3 if batched else 1]):
        rows = slice(start, start := start + old.num_nodes)
        cut = fewer.get_example(i) if batched else fewer
        expected = keep[rows].nonzero().view(-1).tolist()
        assert all(found == expected for found in rows_of(cut, OF_EDGES).values())
        everyone = list(range(old.num_nodes))
        assert all(found == everyone for found in rows_of(cut, OF_NODES).values())
        cut = smaller.get_example(i) if batched else smaller
        expected = stay[rows].nonzero().view(-1).tolist()
        assert all(found == expected for found in rows_of(cut, OF_NODES).values())
        expected = alive[rows].nonzero().view(-1).tolist()
        assert all(found == expected for found in rows_of(cut, OF_EDGES).values())
    assert data.edge_names == (Batch.from_data_list(parts) if batched else ring()).edge_names


def test_edges_that_come_to_number_as_many_as_nodes_change_no_owner() -> None:
    data = random_graph(6, 12, 0)
    data.names = [f"n{i}" for i in range(6)]
    data.edge_names = [f"e{i}" for i in range(data.num_edges)]
    take_edges(data, data._store, torch.arange(6))
    take_edges(data, data._store, torch.arange(3))
    assert data.names == [f"n{i}" for i in range(6)]
    assert data.edge_names == ["e0", "e1", "e2"]
    assert data.train_mask.shape == (6,)


def test_pairs_to_learn_from_are_no_edges() -> None:
    """PyG's RandomLinkSplit gives as many labels as there are edges."""
    data = random_graph(9, 20, 0)
    count = data.num_edges
    names = ("edge_label", "pos_edge_label", "input_id", "train_pos_edge_attr")
    for name in names:
        data[name] = torch.arange(count)
    for name in ("edge_label_index", "pos_edge_index", "train_pos_edge_index"):
        data[name] = torch.zeros(2, count, dtype=torch.long)
    take_edges(data, data._store, torch.arange(3))
    assert data.edge_attr.shape == (3, 2)
    assert {len(data[name]) for name in names} == {count}
    assert data.edge_label_index.shape == data.train_pos_edge_index.shape == (2, count)


def test_lists_of_graphs_in_a_batch_stay_with_their_graphs() -> None:
    parts = [ring(3), ring(2)]
    for part in parts:
        part.edge_classes = ["single", "double", "triple", "none"]
    data = Batch.from_data_list(parts)
    take_edges(data, data._store, torch.tensor([0, 4]))
    assert data.edge_classes == [["single", "double", "triple", "none"]] * 2
    assert data.edge_names == [["e0"], ["e1"]]
    assert data.names == [["n0", "n1", "n2"], ["n0", "n1"]]
