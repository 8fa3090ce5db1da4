"""Graphs as users bring them, and worse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset

import gcl

FLOATS = (torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16)
SIZES = st.one_of(st.integers(1, 6), st.integers(0, 40), st.integers(8, 40))
METAPATHS = (
    [["t", "a", "t"]],
    [["t", "a", "t"], ["t", "b", "t"]],
    [["t", "b", "t"], [("t", "cites", "t")]],
    [["a", "t", "a"]],
)
# Mostly as it should be, so that what comes after the door is reached.
SOUND = st.integers(0, 7).map(bool)


def generators() -> st.SearchStrategy[torch.Generator]:
    """Numbers come from a seed: hypothesis need not draw each."""
    return st.integers(0, 2**16).map(lambda seed: torch.Generator().manual_seed(seed))


@st.composite
def matrices(
    draw: st.DrawFn,
    rows: int,
    columns: int | None = None,
    sound: bool = True,
    sparse: bool = True,
    dtypes: tuple[torch.dtype, ...] = FLOATS,
) -> Tensor:
    """Features `[rows, columns]`: odd values, layouts and number formats."""
    if columns is None:
        columns = draw(st.sampled_from([1, 3, 8, *([] if sound else [0])]))
    x = torch.randn(rows, columns, generator=draw(generators()), dtype=torch.float64)
    dtype = draw(st.sampled_from(dtypes))
    kinds = ["normal", "normal", "zero", "constant", "zero rows", "alike", "large", "tiny", "bags"]
    kind = draw(st.sampled_from(kinds if sound else [*kinds, "huge", "nan", "inf"]))
    if kind == "zero":
        x = 0 * x
    elif kind == "constant":
        x[:, :1] = 1
    elif kind == "zero rows":
        x[::2] = 0
    elif kind == "alike":
        x[:] = x[:1].clone()
    elif kind == "large":
        x = x * 1e3
    elif kind == "tiny":
        x = x * 1e-20
    elif kind == "bags":
        x = (x > 0.7).double()
    elif kind == "huge":
        x = x.clamp(-1, 1) * (torch.finfo(dtype).max * 0.9)
    elif kind in ("nan", "inf") and x.numel():
        x.view(-1)[0] = math.nan if kind == "nan" else math.inf
    x = x.to(dtype)
    layout = draw(st.sampled_from(["strided"] * 4 + ["csr", "coo"])) if sparse else "strided"
    if layout == "csr" and dtype in (torch.float32, torch.float64):
        return x.to_sparse_csr()
    return x.to_sparse_coo() if layout == "coo" else x


@st.composite
def edges(draw: st.DrawFn, sources: int, targets: int | None = None) -> Tensor:
    """An edge list: none, one, many, as many as nodes; loops and repeats come by themselves."""
    same = targets is None
    targets = sources if targets is None else targets
    if not sources or not targets:
        return torch.empty(2, 0, dtype=torch.long)
    kinds = ["random", "random", "random", "none", "one", "dense", "as many", "loops", "repeated"]
    kind = draw(st.sampled_from(kinds))
    number = {"none": 0, "one": 1, "as many": sources, "dense": sources * targets}.get(
        kind, 3 * sources
    )
    generator = draw(generators())
    found = torch.stack(
        [torch.randint(size, (number,), generator=generator) for size in (sources, targets)]
    )
    if kind == "loops" and same:
        found[1] = found[0]
    elif kind == "repeated":
        found[:] = found[:, :1].clone()
    if same and kind != "as many" and draw(st.booleans()):
        found = torch.cat([found, found.flip(0)], 1)
    return found


@st.composite
def labels(draw: st.DrawFn, rows: int, sound: bool = True) -> Any:
    """Classes of rows, at times odd ones."""
    classes = draw(st.sampled_from([2, 2, 3, 5]))
    y = torch.randint(classes, (rows,), generator=draw(generators()))
    kinds = ["int", "int", "int", "gaps", "float", "column", "numpy", "list", "bool"]
    odd = ["one class", "negative", "each its own", "one-hot", "fractions", "nan", "none", "short"]
    kind = draw(st.sampled_from(kinds if sound else [*kinds, *odd]))
    if kind == "gaps":
        return y * 7 + 3
    if kind in ("float", "column"):
        return y.float() if kind == "float" else y[:, None]
    if kind in ("numpy", "list"):
        return y.numpy() if kind == "numpy" else y.tolist()
    if kind in ("bool", "one class"):
        return y > 0 if kind == "bool" else 0 * y
    if kind == "negative":
        return y - 1
    if kind == "each its own":
        return torch.arange(rows)
    if kind == "one-hot":
        return torch.nn.functional.one_hot(y, classes)
    if kind in ("fractions", "nan"):
        return y + (0.5 if kind == "fractions" else math.nan)
    if kind == "short":
        return y[1:]
    return None if kind == "none" else y


@st.composite
def weights(draw: st.DrawFn, number: int, sound: bool, dtype: torch.dtype) -> Tensor:
    """Weights of edges."""
    weight = torch.rand(number, generator=draw(generators()), dtype=torch.float64)
    kinds = ["plain", "zeros", "some zeros", "large", "tiny"]
    kind = draw(st.sampled_from(kinds if sound else [*kinds, "negative", "nan", "long", "2-D"]))
    if kind == "zeros":
        weight = 0 * weight
    elif kind == "some zeros":
        weight[::2] = 0
    elif kind in ("large", "tiny"):
        weight = weight * (1e4 if kind == "large" else 1e-30)
    elif kind == "negative":
        weight = weight - 0.5
    elif kind == "nan":
        weight[:1] = math.nan
    elif kind == "long":
        weight = torch.cat([weight, weight.new_ones(1)])
    elif kind == "2-D":
        weight = weight[:, None]
    return weight.to(dtype)


@st.composite
def graphs(
    draw: st.DrawFn,
    columns: int | None = None,
    sizes: st.SearchStrategy[int] = SIZES,
    extras: bool = True,
    sound: bool | None = None,
) -> Data:
    """One graph of one node type.

    Args:
        draw: of hypothesis.
        columns: width of the features.
        sizes: numbers of nodes.
        extras: whether attributes come along that nothing asks for.
        sound: whether all is as the documentation wants it; mostly, if None.
    """
    if sound is None:
        sound = draw(SOUND)
    n = draw(sizes)
    x = draw(matrices(n, columns, sound))
    data = Data(x=x, edge_index=draw(edges(n)), y=draw(labels(n, sound)) if extras else None)
    if not extras:
        data.y = torch.tensor([draw(st.integers(0, 1))])
    e = data.edge_index.shape[1]
    dtype = x.dtype if draw(st.integers(0, 3)) else draw(st.sampled_from(FLOATS))
    if not extras:
        return data
    if draw(st.integers(0, 2)) == 0:
        data.edge_weight = draw(weights(e, sound, dtype))
    if draw(st.integers(0, 2)) == 0:
        shape = draw(st.sampled_from([(e, 2), (e,), (e, 1, 2)]))
        data.edge_attr = torch.zeros(shape, dtype=draw(st.sampled_from([dtype, torch.long])))
    if draw(st.integers(0, 2)) == 0:
        data.importance_of_edges = torch.linspace(0, 1, e)
        data.importance_of_features = torch.linspace(0, 1, x.shape[1])
        data.rate = torch.tensor([0.5])
    if draw(st.integers(0, 2)) == 0:
        data.community_strength = torch.linspace(-1, 1, n)
        data.edge_strength = torch.linspace(-1, 1, e)
    if draw(st.integers(0, 2)) == 0:
        data.name, data.words, data.array = "odd", ["a"] * n, np.arange(n)
        data.train_mask = torch.arange(n) % 3 == 0
        data.val_mask = torch.arange(n) % 3 == 1
        data.test_mask = torch.arange(n) % 3 == 2
    if not sound:
        broken = draw(st.sampled_from(["", "", "no x", "no edges", "outside", "int32", "numbers"]))
        if broken == "no x":
            del data.x
            data.num_nodes = n
        elif broken == "no edges":
            del data.edge_index
        elif broken == "outside" and e:
            data.edge_index = data.edge_index + 1
        elif broken == "int32":
            data.edge_index = data.edge_index.int()
        elif broken == "numbers":
            data.x = torch.ones(n, 3, dtype=torch.long)
    return data


@st.composite
def lists_of_graphs(draw: st.DrawFn, least: int = 1) -> list[Data]:
    """Graphs of one width, some without edges, one node or none at all."""
    sound = draw(SOUND)
    number = draw(st.integers(least, 6))
    columns = draw(st.sampled_from([1, 3, 5]))
    dtype = draw(st.sampled_from([torch.float32, torch.float32, torch.float64, torch.float16]))
    sizes = st.integers(1 if sound else 0, 9)
    found = []
    for _ in range(number):
        data = draw(graphs(columns, sizes, extras=False, sound=sound))
        if isinstance(data.x, Tensor):
            data.x = data.x.to_dense().to(dtype)
        found.append(data)
    return found


def batches() -> st.SearchStrategy[Batch]:
    """Several graphs in one."""
    return lists_of_graphs().map(Batch.from_data_list)


def as_set(graphs_: list[Data]) -> gcl.datasets.GraphSet:
    """The same graphs as the data sets hold them."""
    return gcl.datasets.GraphSet("drawn", *InMemoryDataset.collate(graphs_))


def any_graphs() -> st.SearchStrategy[Data]:
    """One graph, or a batch of them."""
    return st.one_of(graphs(), graphs(), batches())


@st.composite
def types(draw: st.DrawFn, metapaths: bool = True) -> HeteroData:
    """Three node types t, a and b, some without features or nodes, with reverse edges."""
    sound = draw(SOUND)
    data = HeteroData()
    least = 2 if sound else 0
    sizes = {kind: draw(st.integers(least, 14)) for kind in "tab"}
    for kind, n in sizes.items():
        if kind != "t" and draw(st.integers(0, 3)) == 0:
            data[kind].num_nodes = n
            continue
        data[kind].x = draw(matrices(n, None, sound, dtypes=(torch.float32, torch.float64)))
        if draw(st.integers(0, 3)) == 0:
            data[kind].community_strength = torch.linspace(-1, 1, n)
    data["t"].y = draw(labels(sizes["t"], sound))
    for source, target in (("t", "a"), ("t", "b")):
        found = draw(edges(sizes[source], sizes[target]))
        data[source, "to", target].edge_index = found
        data[target, "to", source].edge_index = found.flip(0)
    data["t", "cites", "t"].edge_index = draw(edges(sizes["t"]))
    if draw(st.integers(0, 3)) == 0:
        for store in data.edge_stores:
            e = store.edge_index.shape[1]
            store.edge_weight = draw(weights(e, sound, torch.float32))
            store.edge_attr = torch.zeros(e, 2)
            store.edge_strength = torch.linspace(-1, 1, e)
    if metapaths and draw(st.integers(0, 7)):
        data.metapaths = draw(st.sampled_from(METAPATHS))
    if not sound:
        broken = draw(st.sampled_from(["", "outside", "no x", "no edges"]))
        store = data["t", "to", "a"]
        if broken == "outside":
            store.edge_index = store.edge_index + 1
        elif broken == "no x":
            del data["t"].x
            data["t"].num_nodes = sizes["t"]
        elif broken == "no edges":
            del store.edge_index
    return data
