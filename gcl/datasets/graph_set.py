"""A set of graphs in one piece of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch_geometric.data import Batch, Data, Dataset, InMemoryDataset
from torch_geometric.data.collate import collate

from gcl.checks import as_tensor, shown
from gcl.transforms.add_degree_features import AddDegreeFeatures

MAX_DEGREE = 64  # of graphs without features; higher degrees count as this one


class GraphSet(InMemoryDataset):
    """Graphs in one piece of memory, with the interface of PyG's data sets.

    `len(graphs)`, `graphs[3]` (a `Data`), `graphs[[0, 5]]` and `graphs[mask]` (a `GraphSet`),
    `graphs.y` `[num_graphs]`, `num_features`, `num_classes`, `shuffle()`; a `DataLoader` takes it
    as it is. Nothing is read or written.

    Args:
        name: shown by `repr`.
        data: all graphs one after the other, node numbers counted from 0 within each.
        slices: by attribute, where the rows of each graph begin, `[num_graphs + 1]`.
    """

    def __init__(self, name: str, data: Data, slices: dict[str, Tensor]):
        super().__init__()
        self.name = name
        self._data, self.slices = data, slices

    def __repr__(self) -> str:
        return f"{self.name}({len(self)})"


def as_graph_set(graphs: Any, name: str = "graphs") -> GraphSet:
    """Graphs of a list or a PyG data set, such as `TUDataset`, as a `GraphSet`.

    Graphs without features get one-hot degrees, see `AddDegreeFeatures`, as those of the TU
    collection do. `y` may be a number or a tensor `[1]`, or be missing in all.

    Args:
        graphs: a list of `Data` with equal attributes, or a PyG data set of them.
        name: shown by `repr`.

    Raises:
        TypeError: something else than a `Data` among them.
        ValueError: no graphs, one without edge_index, features of several widths, or labels in some
            only.

    Example:
        >>> import torch
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> as_graph_set([Data(x=torch.ones(2, 3), edge_index=edge_index, y=k) for k in (0, 1)])
        graphs(2)
    """
    if isinstance(graphs, GraphSet):
        return graphs
    if not is_set_of_graphs(graphs):
        raise TypeError(
            f"as_graph_set: expected a list of PyG Data or a data set of them, got {shown(graphs)}."
        )
    listed = list(graphs)
    if not listed:
        raise ValueError("as_graph_set: expected at least one graph, got an empty list.")
    for at, graph in enumerate(listed):
        if not isinstance(graph, Data) or isinstance(graph, Batch):
            raise TypeError(
                f"as_graph_set: expected a list of PyG Data, got {shown(graph)} at position {at}."
            )
        if graph.edge_index is None:
            raise ValueError(
                f"as_graph_set: the graph at position {at} has no edge_index; it may be empty."
            )
    labelled = sum(graph.get("y") is not None for graph in listed)
    if labelled not in (0, len(listed)):
        raise ValueError(
            f"as_graph_set: {labelled} of {len(listed)} graphs have a label y; give all one, or "
            "none."
        )
    if labelled:
        listed = [_with_label(graph, at) for at, graph in enumerate(listed)]
    widths = {None if graph.x is None else graph.num_features for graph in listed}
    if widths == {None}:
        listed = [AddDegreeFeatures(MAX_DEGREE)(graph) for graph in listed]
    elif len(widths) > 1:
        raise ValueError(
            "as_graph_set: features x must be of one width in all graphs, got widths "
            f"{', '.join(sorted('none' if w is None else str(w) for w in widths))}."
        )
    # The method of InMemoryDataset gives no slices of one graph.
    data, slices, _ = collate(Data, listed, increment=False, add_batch=False)
    return GraphSet(name, data, dict(slices))


def is_set_of_graphs(found: Any) -> bool:
    """Whether what a function gave is several graphs, by themselves or as a PyG data set."""
    return isinstance(found, Dataset) or (
        isinstance(found, Sequence) and not isinstance(found, str)
    )


def _with_label(graph: Data, at: int) -> Data:
    y = as_tensor("as_graph_set", f"the label y at position {at}", graph.y)
    if y.numel() != 1:
        raise ValueError(
            f"as_graph_set: the label y of a graph is one number, got shape {tuple(y.shape)} at "
            f"position {at}; leave out what are several (del graph.y), and measure them by "
            "gcl.evaluate.graph_classification or graph_regression."
        )
    graph = graph.clone()
    graph.y = y.view(1)
    return graph
