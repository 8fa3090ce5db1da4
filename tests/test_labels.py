"""One door for labels: whatever reads them takes the same, and refuses the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

import gcl
from gcl import evaluate, plot
from gcl.baselines import supervised_gcn
from gcl.callbacks import Diagnose, Evaluate

N = 60
CODES = torch.arange(N) % 3
Z = torch.eye(3)[CODES] + 0.3 * torch.randn(N, 3, generator=torch.Generator().manual_seed(0))


def graph(y: Any) -> Data:
    edges = torch.stack([torch.arange(N), torch.arange(N).roll(-3)])
    part = torch.arange(N) // 3 % 3
    masks = {f"{name}_mask": part == i for i, name in enumerate(("train", "val", "test"))}
    return Data(x=Z, edge_index=torch.cat([edges, edges.flip(0)], 1), y=y, **masks)


def hetero(y: Any) -> HeteroData:
    data = HeteroData()
    for i, name in enumerate(("train", "val", "test")):
        data["paper"][f"{name}_mask_20"] = torch.arange(N) // 3 % 3 == i
    data["paper"].y = y
    return data


def by_callback(make: Callable[..., Any], y: Any) -> Any:
    torch.manual_seed(0)
    data = graph(y)
    method = gcl.methods.grace(data, hidden=4, proj=4)
    state = gcl.fit(method, data, epochs=1, callbacks=[make()])
    return {k: v for k, v in state.history[-1].items() if k != "seconds"}


def clusters(y: Any) -> int:
    return len(gcl.methods.pamc(graph(y), hidden=(4,), dim=2, pretrain_epochs=0)
               .clustering.centres)  # fmt: skip


def colours(y: Any) -> list[list[Any]]:
    (axes,) = plot.embedding(Z, y, projection="pca").axes
    return [c.get_offsets().tolist() for c in axes.collections]


READERS: dict[str, Callable[[Any], Any]] = {
    "linear_probe": lambda y: evaluate.linear_probe(Z, y),
    "linear_probe, public": lambda y: evaluate.linear_probe(Z, y, protocol="public", data=graph(y)),
    "knn": lambda y: evaluate.knn(Z, y),
    "cluster": lambda y: evaluate.cluster(Z, y, runs=1),
    "cluster_scores": lambda y: evaluate.cluster_scores(CODES, y),
    "match_clusters": lambda y: evaluate.match_clusters(y, CODES.numpy()).tolist(),
    "hetero_probe": lambda y: evaluate.hetero_probe(Z, hetero(y), probes=1),
    "graph_classification": lambda y: evaluate.graph_classification(Z, y, seeds=1),
    "semi_supervised": lambda y: evaluate.semi_supervised(Z, y, seeds=1),
    "similarity_search": lambda y: evaluate.similarity_search(Z, y),
    "diagnostics": lambda y: evaluate.diagnostics(Z, y=y),
    "supervised_gcn": lambda y: supervised_gcn(graph(y), epochs=2),
    "Diagnose": lambda y: by_callback(lambda: Diagnose(every=1, labels=True), y),
    "Evaluate": lambda y: by_callback(
        lambda: Evaluate(lambda z, d: evaluate.knn(z, d.y), every=1), y
    ),
    "pamc": clusters,
    "plot": colours,
}
OTHERS = {
    "matrix [N, 1]": CODES.view(N, 1),
    "floats": CODES.float(),
    "float matrix": CODES.double().view(N, 1),
    "small": CODES.to(torch.uint8),
}
NOT_CLASSES = {
    "fractions": (CODES + 0.5, "whole numbers"),
    "one NaN": (CODES.float().index_fill(0, torch.tensor([4]), torch.nan), "whole numbers"),
    "infinite": (CODES.float().index_fill(0, torch.tensor([4]), torch.inf), "whole numbers"),
    "one-hot": (torch.eye(3)[CODES], r"got a matrix \[60, 3\]; pass y.argmax\(1\)"),
    "several": (torch.ones(N, 3, dtype=torch.long), "several labels at once"),
}


@pytest.mark.parametrize("name", READERS)
def test_labels_are_the_same_in_every_form(name: str) -> None:
    read = READERS[name]
    expected = read(CODES)
    for form, y in OTHERS.items():
        if name == "match_clusters" and "matrix" not in form:
            y = y.numpy()
        assert read(y) == expected, form


@pytest.mark.parametrize("kind", NOT_CLASSES)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_class_is_refused_in_one_sentence(name: str, kind: str) -> None:
    y, message = NOT_CLASSES[kind]
    if kind == "several" and name.startswith("linear_probe"):
        message = "target 0 of y is 1 for every node; leave that column out"
    if kind == "several" and name == "graph_classification":
        message = "target 0 of y is 1 for every graph; leave that column out"
    with pytest.raises(ValueError, match=message) as caught:
        READERS[name](y)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(READERS) - {"match_clusters", "pamc", "plot"}))
def test_nodes_without_a_label_are_no_class(name: str) -> None:
    y = CODES.index_fill(0, torch.tensor([4, 9]), -1)
    if name in ("graph_classification", "semi_supervised"):  # of graphs -1 is a class like others
        y = torch.where(CODES == 0, -1, 1)
        assert READERS[name](y)["accuracy"] > 0.5
        return
    if name in ("linear_probe, public", "hetero_probe", "supervised_gcn"):
        with pytest.raises(ValueError, match=r"2 nodes in the parts of .* have no label"):
            READERS[name](y)
        y = y.index_fill(0, torch.tensor([4, 9]), -3)
    else:
        assert READERS[name](y)
        y = y - 1
    with pytest.raises(ValueError, match="labels are below -1, which alone marks a node without"):
        READERS[name](y)


def test_clusters_are_counted_without_those_who_have_no_label() -> None:
    assert clusters(CODES.index_fill(0, torch.tensor([4, 9]), -1)) == 3


@pytest.mark.parametrize("name", ["linear_probe", "knn", "cluster", "similarity_search", "plot"])
def test_names_are_numbered_first(name: str) -> None:
    named = np.array(["a", "b", "c"])[CODES]
    for y in (named, named.astype(object), named.tolist()):
        with pytest.raises(TypeError, match="number the classes, for example by numpy"):
            READERS[name](y)
