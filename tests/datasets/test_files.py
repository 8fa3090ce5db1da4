"""Graphs in files: what comes back, what is refused, and what loaders make of it."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

import gcl
from gcl.datasets import from_files, to_files
from gcl.loader import NeighborBatches


def graph(nodes=30, edges=120):
    generator = torch.Generator().manual_seed(0)
    return Data(
        x=torch.randn(nodes, 3, generator=generator),
        edge_index=torch.randint(nodes, (2, edges), generator=generator),
        edge_weight=torch.rand(edges, generator=generator),
        y=torch.arange(nodes),
        train_mask=torch.arange(nodes) < 9,
        kind=torch.arange(edges),
        array=np.arange(nodes, dtype=np.int16),
        scale=0.5,
        num_nodes=nodes,
    )


def test_a_graph_comes_back_with_its_edges_by_target(tmp_path):
    data = graph()
    found = to_files(data, tmp_path / "a")
    assert set(found.keys()) == set(data.keys())
    for name in ("x", "y", "train_mask"):
        assert torch.equal(found[name], data[name])
    assert found.array.tolist() == data.array.tolist()
    assert (found.scale, found.num_nodes) == (0.5, 30)
    # sorted() keeps the order of copies, and kind tells which edge is which
    order = sorted(range(120), key=lambda e: int(data.edge_index[1, e]))
    assert found.kind.tolist() == order
    assert torch.equal(found.edge_index, data.edge_index[:, order])
    assert torch.equal(found.edge_weight, data.edge_weight[order])


def test_edges_that_are_sorted_by_target_stay_as_they_are(tmp_path):
    data = graph()
    data.edge_index = data.edge_index[:, data.edge_index[1].argsort()].to(torch.int32)
    found = to_files(data, tmp_path / "a")
    assert torch.equal(found.edge_index, data.edge_index)
    assert found.edge_index.dtype == torch.int32
    assert torch.equal(found.kind, data.kind)


def test_files_never_change(tmp_path):
    data = to_files(graph(), tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    data.x.zero_()
    data.edge_index.zero_()
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert torch.equal(from_files(tmp_path / "a").x, graph().x)


def test_without_features_the_number_of_nodes_is_kept(tmp_path):
    edge_index = torch.tensor([[0, 1], [1, 0]])
    assert to_files(Data(edge_index=edge_index, num_nodes=7), tmp_path / "a").num_nodes == 7
    assert to_files(Data(edge_index=edge_index), tmp_path / "b").num_nodes == 2
    none = to_files(Data(edge_index=edge_index[:, :0], num_nodes=3), tmp_path / "c")
    assert (none.num_nodes, none.num_edges) == (3, 0)


@pytest.mark.parametrize("edges", ["sampled", "induced"])
def test_batches_from_files_are_those_from_memory(tmp_path, edges):
    data = graph()
    order = data.edge_index[1].argsort(stable=True)
    found = to_files(data, tmp_path / "a")
    for name in ("edge_index", "edge_weight", "kind"):
        data[name] = data[name][..., order]
    both = (NeighborBatches(d, [3, 2], batch_size=7, edges=edges) for d in (data, found))
    for one, other in zip(*both, strict=True):
        for name in ("x", "edge_index", "edge_weight", "n_id", "e_id", "kind", "degree"):
            assert torch.equal(one[name], other[name])


def test_a_method_trains_from_files_as_from_memory(tmp_path):
    data = gcl.datasets.load("karate")
    embeddings = []
    for d in (data, to_files(data, tmp_path / "a")):
        torch.manual_seed(0)
        method = gcl.methods.grace(d, hidden=8)
        gcl.fit(method, d, epochs=2)
        embeddings.append(gcl.embed(method, d))
    torch.testing.assert_close(*embeddings)


def write(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


EDGES = np.array([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"x": np.ones((2, 1))}, FileNotFoundError, "no edge_index.npy"),
        ({"edge_index": EDGES}, ValueError, "neither x.npy nor num_nodes.npy"),
        ({"edge_index": EDGES.ravel(), "num_nodes": 2}, ValueError, r"must be \[2, num_edges\]"),
        ({"edge_index": EDGES * 1.0, "num_nodes": 2}, ValueError, "int64"),
        ({"edge_index": EDGES, "x": np.ones(2)}, ValueError, "expected the shape"),
        ({"edge_index": EDGES, "x": EDGES}, ValueError, "floating-point"),
        ({"edge_index": EDGES, "x": np.ones((2, 1)), "num_nodes": 3}, ValueError, "as many as"),
        ({"edge_index": EDGES, "num_nodes": 2.5}, ValueError, "one whole number"),
        ({"edge_index": EDGES, "num_nodes": EDGES}, ValueError, "one whole number"),
        ({"edge_index": EDGES, "num_nodes": 2, "edge_weight": np.ones(3)}, ValueError, "per edge"),
        ({"edge_index": EDGES, "num_nodes": 2, "my-y": EDGES}, ValueError, "my-y.npy"),
        ({"edge_index": EDGES, "num_nodes": 2, "y": np.ones(3)}, ValueError, "y has 3 rows"),
        ({"edge_index": EDGES, "num_nodes": 2, "val_mask": np.ones(1)}, ValueError, "2 nodes"),
        ({"edge_index": EDGES, "num_nodes": 2, "edge_attr": EDGES[:1]}, ValueError, "2 edges"),
        ({"edge_index": EDGES, "num_nodes": 2, "ids": np.array(["a"])}, ValueError, "ids has 1 "),
        (
            {"edge_index": EDGES, "x": np.ones((2, 1)), "feature_names": np.array(["a", "b"])},
            ValueError,
            "feature_names names 2 columns, and x has 1",
        ),
        ({"edge_index": EDGES, "num_nodes": 2, "keys": EDGES}, ValueError, "call it my_keys"),
        ({"edge_index": EDGES, "num_nodes": 2, "num_edges": 2}, ValueError, "call it my_num_ed"),
        ({"edge_index": EDGES, "num_nodes": 2, "_store": EDGES}, ValueError, "a letter first"),
        ({"edge_index": np.array([{}])}, ValueError, "edge_index.npy holds no array of numbers"),
    ],
)
def test_what_is_refused(tmp_path, arrays, error, message):
    write(tmp_path, **arrays)
    with pytest.raises(error, match=rf"^from_files: .*{message}"):
        from_files(tmp_path)


def test_no_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^from_files: there is no folder"):
        from_files(tmp_path / "none")
    with pytest.raises(TypeError, match=r"^from_files: expected the path"):
        from_files(3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (HeteroData, TypeError, "one node type"),
        (lambda: Batch.from_data_list([graph()]), ValueError, "a batch of 1"),
        (lambda: Data(x=torch.ones(2, 1)), TypeError, "edge_index"),
        (lambda: graph().update({"x": graph().x.to_sparse_csr()}), TypeError, "x is sparse"),
        (lambda: graph().update({"x": graph().x.bfloat16()}), TypeError, "bfloat16"),
        (lambda: graph().update({"names": ["a"]}), TypeError, "names must be a tensor"),
        (lambda: graph().update({"edge_weight": torch.ones(3)}), ValueError, "per edge"),
        (lambda: graph().update({"train_mask": torch.ones(3)}), ValueError, "train_mask has 3 "),
        (lambda: graph().update({"subgraph": torch.ones(3)}), ValueError, "call it my_subgraph"),
    ],
)
def test_what_cannot_be_written(tmp_path, make, error, message):
    with pytest.raises(error, match=rf"^to_files: .*{message}"):
        to_files(make(), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_no_folder_is_written_over(tmp_path):
    to_files(graph(), tmp_path / "a")
    with pytest.raises(FileExistsError, match="is there already"):
        to_files(graph(), tmp_path / "a")


def test_names_of_rows_and_columns_come_back(tmp_path):
    edges = {"source": ["a", "b", "c"], "target": ["b", "c", "a"]}
    nodes = {"name": ["a", "b", "c"], "age": [1.0, 2.0, 3.0], "kind": ["x", "y", "x"]}
    data = gcl.data.from_edges(edges, nodes, label="kind")
    found = to_files(data, tmp_path / "graph")
    assert found.ids.tolist() == ["a", "b", "c"]
    assert found.feature_names == list(data.feature_names)
    assert list(found.classes) == list(data.classes)
    assert torch.equal(found.x, data.x)
    assert torch.equal(found.y, data.y)
    np.save(tmp_path / "graph" / "ids.npy", np.ones((3, 2)))
    with pytest.raises(ValueError, match="must hold names, text or whole numbers"):
        from_files(tmp_path / "graph")
