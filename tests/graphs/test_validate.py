from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData

import gcl
from gcl.graphs.validate import validate_graph
from gcl.ops.sparse import csr_tensor

NAN = math.nan


def _data(**changes: Any) -> Data:
    values = {
        "x": torch.ones(4, 3),
        "edge_index": torch.tensor([[0, 1, 2], [1, 2, 3]]),
        "y": torch.tensor([0, 1, 0, 1]),
    }
    return Data(**{**values, **changes})


def _hetero() -> HeteroData:
    data = HeteroData()
    data["paper"].x, data["paper"].y = torch.ones(4, 3), torch.zeros(4)
    data["author"].num_nodes = 2
    data["author", "writes", "paper"].edge_index = torch.tensor([[0, 1, 1], [3, 0, 1]])
    return data


def _csr(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.to_sparse_csr()


GOOD: dict[str, Callable[[], Any]] = {
    "plain": _data,
    "no labels": lambda: _data(y=None),
    "no labels of helper rows": lambda: _data(
        y=torch.tensor([0, 1, 0]), slow_node_mask=torch.tensor([False, True, False, False])
    ),
    "float64": lambda: _data(x=torch.ones(4, 3, dtype=torch.float64)),
    "half, sum overflows": lambda: _data(x=torch.full((4, 3), 60000.0, dtype=torch.float16)),
    "no edges": lambda: _data(edge_index=torch.empty(2, 0, dtype=torch.long)),
    "one node": lambda: Data(x=torch.ones(1, 1), edge_index=torch.empty(2, 0, dtype=torch.long)),
    "loops and repetitions": lambda: _data(edge_index=torch.tensor([[0, 0, 1, 1], [0, 0, 2, 2]])),
    "isolated and trailing nodes": lambda: _data(edge_index=torch.tensor([[0], [1]])),
    "edge values": lambda: _data(edge_weight=torch.rand(3), edge_attr=torch.rand(3, 2)),
    "integer edge_attr": lambda: _data(edge_attr=torch.tensor([1, 2, 3])),
    "empty edge values": lambda: _data(
        edge_index=torch.empty(2, 0, dtype=torch.long),
        edge_weight=torch.empty(0),
        edge_attr=torch.empty(0, 2),
    ),
    "multi-label": lambda: _data(y=torch.zeros(4, 7)),
    "graph label": lambda: _data(y=torch.tensor([1])),
    "scalar graph label": lambda: _data(y=torch.tensor(1)),
    "num_nodes stated": lambda: _data(num_nodes=4),
    "sparse features": lambda: _data(x=_csr(torch.eye(4))),
    "COO features": lambda: _data(x=torch.eye(4).to_sparse()),
    "batch": lambda: Batch.from_data_list([_data(), _data()]),
    "batch of graph labels": lambda: Batch.from_data_list([_data(y=torch.tensor([1]))] * 3),
    "heterogeneous": _hetero,
    "heterogeneous batch": lambda: Batch.from_data_list([_hetero(), _hetero()]),
}


@pytest.mark.parametrize("name", GOOD)
def test_accepts(name):
    data = GOOD[name]()
    before = repr(data)
    assert validate_graph(data) is None
    assert repr(data) == before


def _with_nan(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = torch.ones(4, 3, dtype=dtype)
    x[0, 0], x[0, 1], x[2, 2] = NAN, math.inf, -math.inf
    return x


EDGES = torch.tensor([[0, 1, 2], [1, 2, 3]])
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": None}, ValueError, r"data\.x: node features are missing"),
    ({"x": _with_nan()}, ValueError, r"data\.x: 2 of 4 rows hold NaN or infinity"),
    ({"x": _with_nan(torch.float16)}, ValueError, "2 of 4 rows"),
    ({"x": _csr(_with_nan())}, ValueError, "2 of 4 rows"),
    ({"x": _with_nan().to_sparse()}, ValueError, "2 of 4 rows"),
    ({"x": torch.ones(4, 3, dtype=torch.long)}, TypeError, "expected floating-point features"),
    ({"x": torch.ones(4, 3, dtype=torch.bool)}, TypeError, "expected floating-point features"),
    ({"x": np.ones((4, 3))}, TypeError, r"data\.x: expected a torch tensor, got ndarray"),
    ({"x": torch.ones(4)}, ValueError, r"data\.x: expected the shape .*, got \[4\]"),
    ({"num_nodes": 5}, ValueError, "one row for each of the 5 nodes of num_nodes, got 4"),
    ({"edge_index": None}, ValueError, r"data\.edge_index: edges are missing"),
    ({"edge_index": EDGES.float()}, TypeError, r"expected a tensor of int64, got torch\.float32"),
    ({"edge_index": EDGES.bool()}, TypeError, r"expected a tensor of int64, got torch\.bool"),
    ({"edge_index": EDGES.int()}, TypeError, r"expected a tensor of int64, got torch\.int32"),
    ({"edge_index": [[0], [1]]}, TypeError, "expected a tensor of int64, got list"),
    ({"edge_index": EDGES.t()}, ValueError, r"\[2, num_edges\], got \[3, 2\]"),
    ({"edge_index": EDGES[0]}, ValueError, r"\[2, num_edges\], got \[3\]"),
    ({"edge_index": EDGES + 1}, ValueError, r"targets must lie in \[0, 3\] .* 4 nodes, got 4"),
    ({"edge_index": EDGES.flip(0) + 1}, ValueError, r"sources must lie in \[0, 3\] .* got 4"),
    ({"edge_index": EDGES - 1}, ValueError, r"sources must lie in .* got -1"),
    ({"edge_index": EDGES.flip(0) - 1}, ValueError, r"targets must lie in .* got -1"),
    ({"edge_weight": torch.rand(4)}, ValueError, "edge_weight: .* each of the 3 edges, got 4"),
    ({"edge_attr": torch.rand(2, 5)}, ValueError, "edge_attr: .* each of the 3 edges, got 2"),
    ({"edge_weight": torch.tensor(1.0)}, ValueError, "got a single number"),
    ({"edge_weight": torch.rand(3, 1)}, ValueError, r"expected the shape \[3\], got \[3, 1\]"),
    ({"edge_weight": torch.ones(3).long()}, TypeError, "expected floating-point weights"),
    ({"edge_weight": [1.0, 1.0, 1.0]}, TypeError, "expected a torch tensor, got list"),
    ({"edge_weight": torch.tensor([1, NAN, math.inf])}, ValueError, "2 of 3 entries hold NaN"),
    ({"edge_attr": torch.tensor([[1, NAN], [1, 1], [1, 1]])}, ValueError, "1 of 3 entries"),
    ({"y": torch.zeros(3)}, ValueError, r"data\.y: .* each of the 4 nodes, got 3"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_refuses(changes, error, message):
    with pytest.raises(error, match=message) as caught:
        validate_graph(_data(**changes))
    assert str(caught.value).startswith("data")
    assert str(caught.value).endswith(".")


def test_refuses_in_a_batch():
    batch = Batch.from_data_list([_data(), _data()])
    batch.edge_index = batch.edge_index + 1
    with pytest.raises(ValueError, match=r"\[0, 7\] because there are 8 nodes, got 8"):
        validate_graph(batch)
    batch = Batch.from_data_list([_data(), _data()])
    batch.y = torch.zeros(3)
    with pytest.raises(ValueError, match="each of the 8 nodes, got 3"):
        validate_graph(batch)


def _set(kind: Any, key: str, value: Any) -> Callable[[HeteroData], None]:
    def change(data: HeteroData) -> None:
        data[kind][key] = value

    return change


WRITES = ("author", "writes", "paper")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_set("paper", "x", _with_nan()), ValueError, r"data\['paper'\]\.x: 2 of 4 rows"),
        (_set("paper", "y", torch.ones(2)), ValueError, r"data\['paper'\]\.y: .* 4 nodes, got 2"),
        (_set(WRITES, "edge_index", torch.tensor([[2], [0]])), ValueError, "sources .* got 2"),
        (_set(WRITES, "edge_index", torch.tensor([[0], [4]])), ValueError, "targets .* got 4"),
        (_set(WRITES, "edge_index", torch.tensor([[0.0], [1]])), TypeError, "int64"),
        (_set(WRITES, "edge_weight", torch.ones(9)), ValueError, "3 edges, got 9"),
        (_set("author", "num_nodes", None), ValueError, "neither features x nor num_nodes"),
        (_set("paper", "x", None), ValueError, "neither features x nor num_nodes"),
        (
            _set(("paper", "in", "venue"), "edge_index", torch.tensor([[0], [0]])),
            ValueError,
            r"data\[\('paper', 'in', 'venue'\)\]: node type 'venue' has no nodes",
        ),
    ],
)
def test_refuses_in_a_heterogeneous_graph(change, error, message):
    data = _hetero()
    change(data)
    types = list(data.node_types)
    with pytest.raises(error, match=message):
        validate_graph(data)
    assert data.node_types == types


def test_heterogeneous_graph_may_lack_features():
    data = _hetero()
    del data["paper"].x
    data["paper"].num_nodes = 4
    validate_graph(data)


@pytest.mark.parametrize("thing", [None, {"x": 1}, torch.ones(3), [_data()]])
def test_refuses_what_is_no_graph(thing):
    with pytest.raises(TypeError, match="expected a torch_geometric Data or HeteroData, got"):
        validate_graph(thing)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 7),
    cols=st.integers(1, 5),
    spoiled=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=6),
    value=st.sampled_from([NAN, math.inf, -math.inf]),
    sparse=st.booleans(),
)
def test_counts_spoiled_rows(rows, cols, spoiled, value, sparse):
    x = torch.zeros(rows, cols)
    x[::2] = 1.5
    hit = {i for i, j in spoiled if i < rows and j < cols}
    for i, j in spoiled:
        if i < rows and j < cols:
            x[i, j] = value
    data = _data(x=_csr(x) if sparse else x, edge_index=torch.empty(2, 0, dtype=torch.long), y=None)
    if not hit:
        validate_graph(data)
        return
    with pytest.raises(ValueError, match=f"{len(hit)} of {rows} rows"):
        validate_graph(data)


def test_empty_rows_around_a_spoiled_one_are_not_counted():
    x = csr_tensor(
        torch.tensor([0, 0, 0, 2, 2]), torch.tensor([0, 1]), torch.tensor([NAN, 1.0]), (4, 3)
    )
    with pytest.raises(ValueError, match="1 of 4 rows"):
        validate_graph(_data(x=x))


def test_weights_in_edge_attr_are_warned_of_once():
    single = _data(edge_attr=torch.rand(3))
    with pytest.warns(
        UserWarning, match=r"data\.edge_attr holds one .*: set edge_weight = "
    ) as told:
        validate_graph(single)
    assert len(told) == 1
    typed = _hetero()
    typed["author", "writes", "paper"].edge_attr = torch.rand(3)
    with pytest.warns(UserWarning, match=r"data\[\('author', 'writes', 'paper'\)\]\.edge_attr"):
        validate_graph(typed)
    single.edge_attr = torch.rand(3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # as if others changed the filters in between
        for epoch in range(3):
            gcl.fit(gcl.methods.grace(single, hidden=4, proj=4), single, epochs=epoch)
        gcl.embed(gcl.methods.grace(single, hidden=4, proj=4), single)
    assert len(told) == 1


def test_codes_are_features_where_they_are_expected():
    codes = torch.tensor([[0, 3], [1, 2], [5, 0], [1, 1]])
    validate_graph(_data(x=codes), codes=True)
    with pytest.raises(TypeError, match=r"got torch.int64; use .*gcl.nn.CodeEmbedding"):
        validate_graph(_data(x=codes))
    with pytest.raises(ValueError, match=r"data.x: expected codes .*, got -1; number them from 1"):
        validate_graph(_data(x=codes - 1), codes=True)
    with pytest.raises(TypeError, match=r"got torch.bool"):
        validate_graph(_data(x=codes > 0), codes=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"edge_attr": torch.rand(3, 1)},
        {"edge_attr": torch.arange(3)},
        {"edge_attr": torch.rand(3), "edge_weight": torch.rand(3)},
        {"edge_weight": torch.rand(3)},
    ],
)
def test_features_of_edges_and_weights_by_their_name_are_not_warned_of(changes):
    validate_graph(_data(**changes))
