"""What nodes can be coloured by: labels, clusters, and whatever the data says of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import silhouette_score
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from gcl.datasets import GraphSet
from gcl.experiments.run import has_labels, labelled_nodes, labels_of
from gcl.graphs.rows import counted_rows
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.similarity import unit_rows

CLASSES = 30  # whole numbers of at most so many different values are classes, not amounts
NAMES = 1000  # so many different texts are names of nodes, not classes
TARGETS = 10
TRIED = range(2, 11)  # numbers of clusters
SAMPLE = 2000  # rows by which their number is chosen


@dataclass(frozen=True)
class Attribute:
    """One thing known of every node.

    Args:
        name: what it is called.
        values: numbers `[n]`, NaN where there is none; the place among `names` `[n]`, -1 where
            there is none; or None, where `names` are the values themselves.
        names: of classes, or of nodes; empty for amounts.
    """

    name: str
    values: np.ndarray | None
    names: Sequence[str] = ()


def attributes(z: Tensor, data: Any, *, seed: int = 0) -> list[Attribute]:
    """Labels first, then clusters, then what else the data says of each row of an embedding.

    Args:
        z: the embedding.
        data: what was embedded, or None: then clusters alone.
        seed: of the clusters.

    Shape:
        z `[n, d]`.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> [found.name for found in attributes(torch.eye(34), data)]
        ['label', 'cluster', 'degree']
    """
    found = [] if data is None else [*_labels(data)]
    labelled = len(found) == 1 and found[0].names
    classes = len(found[0].names) if labelled else None
    found.append(_clusters(z, classes, seed))
    if data is not None:
        found += _others(data, len(z))
    return found


def as_attribute(name: str, values: Any) -> Attribute | None:
    """An attribute of what a graph has under a name: a tensor, an array, or a list.

    Args:
        name: what it is called.
        values: `[n]` or `[n, 1]`.

    Returns:
        None where there is not one number, truth or text a node.

    Example:
        >>> as_attribute("kind", ["b", "a", None, "b"])
        Attribute(name='kind', values=array([ 1,  0, -1,  1]), names=['a', 'b'])
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float().numpy() if values.dtype == torch.bfloat16 else values.numpy()
    told = np.asarray(values) if not isinstance(values, list | tuple) else _array(values)
    if told.ndim == 2 and told.shape[1] == 1:
        told = told[:, 0]
    if told.ndim != 1:
        return None
    if told.dtype.kind == "b":
        return Attribute(name, told.astype(int), ["no", "yes"])
    if told.dtype.kind == "f":
        return Attribute(name, np.where(np.isfinite(told), told, np.nan))
    if told.dtype.kind in "iu":
        different = np.unique(told)
        if len(different) > CLASSES:
            return Attribute(name, told.astype(float))
        return Attribute(name, np.searchsorted(different, told), _texts(different))
    if told.dtype.kind not in "OUS":
        return None
    texts = [None if _is_missing(v) else str(v) for v in told.tolist()]
    names = sorted({text for text in texts if text is not None})
    if len(names) > NAMES:
        return Attribute(name, None, ["" if text is None else text for text in texts])
    place = {text: at for at, text in enumerate(names)}
    return Attribute(name, np.array([-1 if t is None else place[t] for t in texts]), names)


def _texts(values: np.ndarray) -> list[str]:
    return [str(value) for value in values.tolist()]


def _array(values: Sequence[Any]) -> np.ndarray:
    """A list as NumPy takes it if it is of numbers, else as it is."""
    kinds = {type(v) for v in values}
    if kinds <= {int, float} or kinds == {bool}:
        return np.asarray(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _labels(data: Any) -> Iterator[Attribute]:
    if not has_labels(data):
        return
    y = labels_of(data)
    if y.dim() == 2 and y.shape[1] > 1:
        told = [(f"target {k}", y[:, k]) for k in range(min(TARGETS, y.shape[1]))]
    else:
        told = [("label", y.reshape(len(y)))]
    for name, values in told:
        known = values.nan_to_num(-1) if values.is_floating_point() else values
        if bool((known == known.long()).all()):
            codes = known.long().cpu().numpy()
            different = np.unique(codes[codes >= 0])
            place = np.where(codes >= 0, np.searchsorted(different, codes), -1)
            yield Attribute(name, place, _texts(different))
        elif (found := as_attribute(name, values)) is not None:
            yield found


def _clusters(z: Tensor, classes: int | None, seed: int) -> Attribute:
    """k-means by cosine, into as many clusters as classes, or as have the best silhouette."""
    if classes is None:
        rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(z))[:SAMPLE]))
        u, best = unit_rows(z[rows]), (-2.0, 1)
        for k in TRIED:
            codes = spherical_kmeans(z[rows], k, seed=seed)[0].numpy()
            if 1 < len(np.unique(codes)) < len(rows):
                best = max(best, (float(silhouette_score(u.numpy(), codes, metric="cosine")), -k))
        classes = abs(best[1])
    codes = spherical_kmeans(z, max(1, classes), seed=seed)[0].numpy()
    # The largest is cluster 1.
    sizes = Counter(codes.tolist())
    order = sorted(sizes, key=lambda code: (-sizes[code], code))
    place = np.full(max(order) + 1, -1)
    place[order] = np.arange(len(order))
    return Attribute("cluster", place[codes], [str(at + 1) for at in range(len(order))])


def _others(data: Any, rows: int) -> Iterator[Attribute]:
    """What the graph says of each node besides features and labels; of a set, of each graph."""
    if isinstance(data, GraphSet):
        yield Attribute("nodes", np.array([float(graph.num_nodes) for graph in data]))
        return
    store = labelled_nodes(data) if isinstance(data, HeteroData) else data
    if store is None or store.num_nodes is None:
        return
    picked = np.arange(rows)
    if isinstance(data, Data):
        picked = counted_rows(torch.arange(data.num_nodes), data).cpu().numpy()
    if len(picked) != rows:
        return
    for name, values in sorted(store.to_dict().items()):
        if name in ("x", "y", "batch", "ptr") or "edge" in name or name.endswith("index"):
            continue
        try:
            if len(values) != store.num_nodes:
                continue
            found = as_attribute(name, values)
        except (TypeError, ValueError):
            continue
        if found is not None:
            yield _taken(found, picked)
    if isinstance(data, Data) and data.edge_index is not None:
        target = data.edge_index[1].cpu()
        degree = torch.bincount(target, minlength=int(data.num_nodes or 0)).numpy()
        yield Attribute("degree", degree[picked].astype(float))


def _taken(attribute: Attribute, rows: np.ndarray) -> Attribute:
    if attribute.values is None:
        return Attribute(attribute.name, None, [attribute.names[i] for i in rows])
    return Attribute(attribute.name, attribute.values[rows], attribute.names)
