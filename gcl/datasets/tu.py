"""Sets of labelled graphs in the text format of the TU Dortmund collection."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, cumsum, remove_self_loops
from torch_geometric.utils import one_hot as dense_one_hot

from gcl.datasets.graph_set import GraphSet
from gcl.datasets.inert_arrays import check_cells
from gcl.transforms.add_degree_features import degree_features


def read_tu(folder: Path, name: str, max_degree: int) -> GraphSet:
    """The graphs of the files `<name>_A.txt`, `<name>_graph_indicator.txt`, ...

    Features are one-hot node labels, as in PyG's `TUDataset` by default; a set without node labels
    gets one-hot degrees instead. Continuous node attributes are left out. Repeated edges and
    self-loops are dropped, as PyG does.

    Args:
        folder: the folder of the raw files.
        name: the part of the file names before the underscore.
        max_degree: where degrees are the features, higher ones count as this one.

    Shape:
        of every graph: x `[n, f]` float32, edge_index `[2, e]`, edge_attr `[e, labels]` one-hot
        where edges have labels, y `[1]`.

    Raises:
        ValueError: if a file is broken, or the files do not fit together.

    Reference:
        Morris et al., "TUDataset: A collection of benchmark datasets for learning with graphs",
        ICML workshop GRL+, 2020.
    """
    graph = _numbers(folder / f"{name}_graph_indicator.txt")[:, 0]
    path = folder / f"{name}_graph_labels.txt"
    labels = _numbers(path)[:, 0]
    num_graphs, num_nodes = labels.numel(), graph.numel()
    if not num_nodes or int(graph.min()) < 1 or int(graph.max()) > num_graphs:
        raise _broken(path, f"it labels {num_graphs} graphs, and nodes lie in others")
    if bool((graph.diff() < 0).any()):
        raise _broken(folder / f"{name}_graph_indicator.txt", "its nodes are not sorted by graph")
    graph = graph - 1

    path = folder / f"{name}_A.txt"
    edges = _numbers(path)
    if edges.size(1) != 2:
        raise _broken(path, f"its lines hold {edges.size(1)} numbers, not two nodes")
    edge_index = edges.t() - 1
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
        raise _broken(path, f"it names a node outside 1..{num_nodes}")
    if bool((graph[edge_index[0]] != graph[edge_index[1]]).any()):
        raise _broken(path, "an edge joins two graphs")
    edge_attr = _one_hot(folder / f"{name}_edge_labels.txt", edge_index.size(1))
    edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
    edge_index, edge_attr = coalesce(edge_index, edge_attr, num_nodes)

    x = _one_hot(folder / f"{name}_node_labels.txt", num_nodes)
    if x is None:
        x = degree_features(edge_index, num_nodes, max_degree)
    sizes = torch.bincount(graph, minlength=num_graphs)
    nodes = cumsum(sizes)
    of_edges = graph[edge_index[0]]
    per_edge = cumsum(torch.bincount(of_edges, minlength=num_graphs))
    data = Data(
        x=x,
        edge_index=edge_index - nodes[of_edges],
        y=labels.unique(return_inverse=True)[1],
    )
    slices = {"x": nodes, "edge_index": per_edge, "y": torch.arange(num_graphs + 1)}
    if edge_attr is not None:
        data.edge_attr, slices["edge_attr"] = edge_attr, per_edge
    return GraphSet(name, data, slices)


def _one_hot(path: Path, rows: int) -> Tensor | None:
    """The labels of a file that may be missing, `[rows, labels]`."""
    if not path.is_file():
        return None
    labels = _numbers(path)
    if labels.size(0) != rows:
        raise _broken(path, f"it has {labels.size(0)} lines for {rows} nodes or edges")
    columns = []
    for column in labels.unbind(1):
        low, high = (int(end) for end in column.aminmax()) if rows else (0, 0)
        try:
            check_cells((rows, high - low + 1), rows)
        except ValueError as error:
            raise _broken(path, f"its labels run from {low} to {high}") from error
        columns.append(dense_one_hot(column - low))
    return torch.cat(columns, 1)


def _numbers(path: Path) -> Tensor:
    """Whole numbers, `[lines, columns]`."""
    try:
        # ndmin keeps a file of one line a matrix; NumPy itself warns where there is none.
        if not path.stat().st_size:
            return torch.empty(0, 2, dtype=torch.long)
        with warnings.catch_warnings():
            # A file of blank lines, or of fractions that would be cut.
            warnings.simplefilter("error")
            table: Any = np.loadtxt(path, dtype=np.int64, delimiter=",", ndmin=2)
    except (ValueError, Warning) as error:
        raise _broken(path, error) from error
    return torch.from_numpy(table)


def _broken(path: Path, why: object) -> ValueError:
    return ValueError(
        f"load: {path} is not a file of the TU collection ({why}); replace it with the original."
    )
