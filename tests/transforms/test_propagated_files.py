"""Propagation in files: equal to that in memory, in bounded memory, never half a file."""

import json

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import gcl
from gcl.datasets import from_files, sbm_to_files, to_files
from gcl.graphs.target_lists import target_lists
from gcl.loader import NeighborBatches
from gcl.transforms import AddPropagated, propagated_files


def graph(dtype=torch.float32, weighted=True, nodes=60, edges=300):
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(nodes - 3, (2, edges), generator=generator)  # 3 without edges
    edge_index[1, :5] = edge_index[0, :5]  # loops, some of them twice
    edge_index[:, 5:8] = edge_index[:, :3]
    data = Data(x=torch.randn(nodes, 5, generator=generator, dtype=dtype), edge_index=edge_index)
    if weighted:
        data.edge_weight = torch.rand(edges, generator=generator)
        data.edge_weight[[6, 20, 30]] = 0.0
    return data


def dense(data, hops, keep, residual=0.05):
    """The formula as a double loop over edges, in float64."""
    n = data.num_nodes
    a, own = np.zeros((n, n)), np.ones(n)
    weight = data.get("edge_weight")
    weight = np.ones(data.num_edges) if weight is None else weight.double().numpy()
    last = {}
    for (s, t), w in zip(data.edge_index.t().tolist(), weight, strict=True):
        if s == t:
            last[t] = w
        else:
            a[t, s] += w
    for node, w in last.items():
        own[node] = w if w else 1.0
    degree = a.sum(1) + own
    matrix = (a + np.diag(own)) / np.sqrt(np.outer(degree, degree))
    x = data.x.double().numpy()
    powers = [x]
    for _ in range(hops):
        powers.append(matrix @ powers[-1])
    if keep == "concat":
        return np.concatenate(powers, axis=1)
    if keep == "last":
        return powers[-1]
    return (1 - residual) * np.mean(powers[1:], axis=0) + residual * x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("by_target", [False, True])
@pytest.mark.parametrize("keep", ["mean", "last", "concat"])
@pytest.mark.parametrize("hops", [1, 3])
def test_equal_to_the_formula_and_to_memory(tmp_path, hops, keep, by_target, weighted, dtype):
    data = graph(dtype, weighted)
    expected = dense(data, hops, keep, 0.3)
    memory = AddPropagated(hops, keep, 0.3)(data.clone()).x
    if by_target:
        data = to_files(data, tmp_path / "graph")
    x = data.x.clone()
    transform = AddPropagated(hops, keep, 0.3, attribute="far", budget=200, folder=tmp_path / "a")
    found = transform(data)
    assert found.far.dtype == dtype
    np.testing.assert_allclose(found.far.numpy(), expected, atol=1e-6)
    torch.testing.assert_close(found.far, memory, atol=1e-6, rtol=1e-5)
    assert torch.equal(data.x, x)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["about.json", "propagated.npy"]


def test_it_takes_the_place_of_x(tmp_path):
    data = gcl.datasets.load("karate")
    found = AddPropagated(2, folder=str(tmp_path / "a"))(data)
    assert found.propagated_hops == 2
    torch.testing.assert_close(found.x, AddPropagated(2)(gcl.datasets.load("karate")).x)
    assert repr(AddPropagated(2, folder="a")) == "AddPropagated(hops=2, folder='a')"


def test_what_is_there_is_opened_and_nothing_else_taken_for_it(tmp_path, monkeypatch):
    first = AddPropagated(2, folder=tmp_path / "a")(graph()).x

    def never(*_):
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(propagated_files, "_write", never)
        assert torch.equal(AddPropagated(2, folder=tmp_path / "a")(graph()).x, first)
    other = graph()
    other.x[59, 4] += 1
    light = graph()
    light.edge_weight[299] += 1
    for transform, data in (
        (AddPropagated(3, folder=tmp_path / "a"), graph()),
        (AddPropagated(2, "last", folder=tmp_path / "a"), graph()),
        (AddPropagated(2, folder=tmp_path / "a"), other),
        (AddPropagated(2, folder=tmp_path / "a"), light),
        (AddPropagated(2, folder=tmp_path), graph()),
    ):
        with pytest.raises(ValueError, match=r"^AddPropagated: .*holds something else"):
            transform(data)


def test_an_interrupted_run_starts_anew(tmp_path, monkeypatch):
    times, calls = propagated_files._Matrix.times, []

    def stops(self, x):
        calls.append(x)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return times(self, x)

    with monkeypatch.context() as patched:
        patched.setattr(propagated_files._Matrix, "times", stops)
        with pytest.raises(KeyboardInterrupt):
            AddPropagated(3, folder=tmp_path / "a")(graph())
    assert not list(tmp_path.iterdir())
    found = AddPropagated(3, folder=tmp_path / "a")(graph())
    np.testing.assert_allclose(found.x, dense(graph(), 3, "mean"), atol=1e-6)


def test_blocks_keep_to_the_budget():
    data = graph()
    rowptr = target_lists(data.edge_index, 60, 60).rowptr
    for budget in (1, 100, 500, 10**6):
        rows = list(propagated_files._rows(rowptr, 5, budget))
        assert [i for at in rows for i in range(at.start, at.stop)] == list(range(60))
        for at in rows:
            edges = int(rowptr[at.stop] - rowptr[at.start])
            assert at.stop == at.start + 1 or 14 * edges <= budget


def test_rows_from_files_need_no_graph(tmp_path):
    data = sbm_to_files(tmp_path / "graph", 500, 3, num_features=8, block=200)
    whole = AddPropagated(2, folder=tmp_path / "far")(data)
    loader = NeighborBatches(whole, [], batch_size=64)
    lists = loader._cutter.lists[None]
    assert lists.perm is None  # and so nothing is held an edge
    assert lists.source.data_ptr() == data.edge_index.data_ptr()
    expected = AddPropagated(2)(from_files(tmp_path / "graph")).x
    seen = 0
    for batch in loader:
        torch.testing.assert_close(batch.x, expected[batch.n_id], atol=1e-6, rtol=1e-5)
        assert batch.num_edges == 0
        seen += len(batch.n_id)
    assert seen == 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.to_sparse_csr(), "sparse_csr"),
        (lambda x: x.half(), "float16"),
        (lambda x: x.long(), "int64"),
    ],
)
def test_refuses_other_features(tmp_path, change, message):
    data = graph()
    data.x = change(data.x)
    with pytest.raises(TypeError, match=rf"with a folder x must be dense, .*{message}"):
        AddPropagated(2, folder=tmp_path / "a")(data)
    with pytest.raises(TypeError, match=r"^AddPropagated: expected the path"):
        AddPropagated(2, folder=3)


def test_a_damaged_about_is_something_else(tmp_path):
    AddPropagated(2, folder=tmp_path / "a")(graph())
    (tmp_path / "a" / "about.json").write_text(json.dumps([1])[:-1])
    with pytest.raises(ValueError, match="holds something else"):
        AddPropagated(2, folder=tmp_path / "a")(graph())
