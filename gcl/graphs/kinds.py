"""What may stand where graphs are expected: kinds and shapes, read without a pass over values."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data, Dataset, HeteroData

from gcl.checks import check_encoder, check_width
from gcl.contracts import Encoder, Method

_FROM = {"networkx": "from_networkx", "dgl": "from_dgl"}


def what_came(value: Any) -> str:
    """What a value is, in a few words, and where that is known what makes a graph of it.

    Example:
        >>> what_came(None)
        'None; see that the function that makes it returns it'
        >>> what_came({"x": 1})
        'dict; make a graph: torch_geometric.data.Data.from_dict(...)'
    """
    name, package = type(value).__name__, type(value).__module__.partition(".")[0]
    if value is None:
        return "None; see that the function that makes it returns it"
    if isinstance(value, type):
        return f"the class {value.__name__}; make an object of it: {value.__name__}(...)"
    if isinstance(value, str | Path):
        text = reprlib.repr(str(value))
        return f"the text {text}; gcl.datasets.load(name) loads a data set, a file is yours to read"
    if isinstance(value, Method):
        return f"{name}, a method; the method comes before the data"
    if isinstance(value, HeteroData):
        return (
            "HeteroData; data.to_homogeneous() makes one node type of it, and the recipes meow, "
            "adameow and heco take it as it is"
        )
    if package in _FROM:
        return f"a {package} {name}; convert it: torch_geometric.utils.{_FROM[package]}(graph)"
    if package == "scipy":
        return (
            f"a SciPy {name}; edge_index, edge_weight = "
            "torch_geometric.utils.from_scipy_sparse_matrix(adjacency)"
        )
    if isinstance(value, Tensor | np.ndarray):
        return f"{name} {list(value.shape)}; make a graph: Data(x=x, edge_index=edge_index)"
    if isinstance(value, Mapping):
        return f"{name}; make a graph: torch_geometric.data.Data.from_dict(...)"
    if isinstance(value, torch.utils.data.DataLoader):
        return f"{name}; give a graph, such as next(iter(loader))"
    if isinstance(value, Dataset):
        return f"{name}, a data set; a graph of it is dataset[0]"
    if isinstance(value, Sequence):
        graphs = len(value) and all(isinstance(part, Data | HeteroData) for part in value)
        if graphs:
            make = "give one of them, or torch_geometric.data.Batch.from_data_list(graphs)"
            return f"a {name} of {len(value)} graphs; {make}"
        return f"a {name} of {len(value)}; make a graph: Data(x=x, edge_index=edge_index)"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}; call it"
    return name


def check_graph(owner: str, data: Any) -> None:
    """A graph of any kind.

    Raises:
        TypeError: anything else.
    """
    if not isinstance(data, Data | HeteroData):
        raise TypeError(
            f"{owner}: expected a torch_geometric Data or HeteroData, got {what_came(data)}."
        )


def check_graph_or_loader(owner: str, data: Any) -> None:
    """A graph, or an iterable that may give some.

    Raises:
        TypeError: what is neither; what an iterable gives is seen when it gives it.
    """
    if isinstance(data, Data | HeteroData):
        return
    arrays = isinstance(data, Tensor | np.ndarray | str | Path | Mapping | type)
    foreign = type(data).__module__.partition(".")[0] in (*_FROM, "scipy")
    if arrays or foreign or not isinstance(data, Iterable):
        raise TypeError(f"{owner}: expected a graph or a loader of graphs, got {what_came(data)}.")


def check_constant(owner: str, data: Any) -> None:
    """No tensor of the graph waits for a gradient.

    Raises:
        ValueError: one does.
    """
    for store in data.stores:
        for name, value in store.items():
            if isinstance(value, Tensor) and value.requires_grad:
                where = f"data.{name}" if store._key is None else f"data[{store._key!r}].{name}"
                raise ValueError(
                    f"{owner}: {where} requires a gradient, but only the parameters of the method "
                    f"are trained; detach it: {where} = {where}.detach(), or make it a parameter "
                    "of the encoder."
                )


def check_one_type(owner: str, data: Any) -> None:
    """A graph of one node type, or a batch of them.

    Raises:
        TypeError: anything else.
    """
    if not isinstance(data, Data):
        raise TypeError(
            f"{owner}: expected a graph of one node type (Data), got {what_came(data)}."
        )


def check_input(owner: str, data: Any, encoder: Any) -> None:
    """A graph of one node type, as wide as the encoder was made for where it tells `in_channels`.

    Raises:
        TypeError: no such graph, or its features are no tensor.
        ValueError: features of another width.
    """
    check_one_type(owner, data)
    width = getattr(encoder, "in_channels", None)
    if isinstance(width, int) and width > 0:  # PyG writes -1 for what it finds out later
        check_width(owner, data.x, width, "data.x")


def check_types(owner: str, data: Any) -> None:
    """One graph of several node types.

    Raises:
        TypeError: anything else.
    """
    if isinstance(data, Data):
        raise TypeError(f"{owner}: expected a HeteroData, got Data, a graph of one node type.")
    if not isinstance(data, HeteroData):
        raise TypeError(f"{owner}: expected a HeteroData, got {what_came(data)}.")
    if isinstance(data, Batch):
        raise TypeError(
            f"{owner}: expected one HeteroData, got a batch of {data.num_graphs}; meta-path graphs "
            "belong to a whole graph: give it to gcl.fit without a loader."
        )


def check_features(x: Any, where: str, *, codes: bool = False) -> None:
    """Features `[n, f]` as a floating-point tensor, dense or sparse.

    Args:
        x: what stands in their place.
        where: its name, such as "data.x".
        codes: whole numbers will do, too: codes of categories.

    Raises:
        TypeError: no tensor, or one of other numbers.
        ValueError: of another shape.
    """
    if not isinstance(x, Tensor):
        package = type(x).__module__.partition(".")[0]
        array = {"numpy": "x", "scipy": "x.toarray()"}.get(package)
        make = "torch.tensor(x)" if array is None else f"torch.from_numpy({array})"
        raise TypeError(
            f"{where}: expected a torch tensor, got {type(x).__name__}; use {make}.float()."
        )
    if not x.is_floating_point() and not (codes and is_codes(x)):
        raise TypeError(
            f"{where}: expected floating-point features, got {x.dtype}; use x.float(), or for "
            "codes of categories an encoder that reads them: gcl.nn.CodeEmbedding."
        )
    if x.dim() != 2:
        advice = "; use x.view(-1, 1) for a single feature" if x.dim() == 1 else ""
        raise ValueError(
            f"{where}: expected the shape [num_nodes, num_features], got {list(x.shape)}{advice}."
        )


def is_codes(x: Any) -> bool:
    """Whether features are codes of categories: whole numbers, of which 0 is unknown or masked."""
    return isinstance(x, Tensor) and x.dtype in (torch.int64, torch.int32)


def reads_codes(method: nn.Module) -> bool:
    """Whether an encoder of a method says so, as `gcl.nn.CodeEmbedding` does."""
    return any(getattr(part, "reads_codes", False) is True for part in method.modules())


def check_edges(
    owner: str, edge_index: Any, where: str = "data", num_nodes: int | None = None
) -> None:
    """An edge list `[2, e]` of whole numbers.

    Args:
        owner: who asks.
        edge_index: what stands in its place.
        where: what it belongs to.
        num_nodes: that there are such nodes, which takes a pass over the edges; not looked at if
            None.

    Raises:
        TypeError: no tensor, or one of other numbers.
        ValueError: of another shape, or beyond the nodes.
    """
    name = f"{where}.edge_index" if where else "edge_index"
    if not isinstance(edge_index, Tensor):
        array = isinstance(edge_index, np.ndarray)
        make = "torch.from_numpy(edge_index)" if array else "torch.tensor(edge_index)"
        raise TypeError(
            f"{owner}: {name} must be a tensor [2, num_edges], got "
            f"{type(edge_index).__name__}; use {make}."
        )
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        turned = edge_index.dim() == 2 and edge_index.shape[1] == 2
        advice = "; use edge_index.t().contiguous()" if turned else ""
        raise ValueError(
            f"{owner}: {name} must be [2, num_edges], got {list(edge_index.shape)}{advice}."
        )
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"{owner}: {name} must hold int64 positions of nodes, got "
            f"{edge_index.dtype}; use edge_index.long()."
        )
    if num_nodes is not None and edge_index.numel():
        low, high = (int(end) for end in edge_index.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f"{owner}: {name} must lie in [0, {num_nodes}), got "
                f"{low if low < 0 else high}; set {where}.num_nodes."
            )


def check_edge_weight(owner: str, edge_weight: Any, num_edges: int) -> None:
    """Weights as a tensor with one row an edge.

    Raises:
        TypeError: no tensor.
        ValueError: of another length.
    """
    if not isinstance(edge_weight, Tensor):
        raise TypeError(
            f"{owner}: edge_weight must be a tensor [{num_edges}], got "
            f"{type(edge_weight).__name__}; use torch.as_tensor(edge_weight)."
        )
    if edge_weight.dim() == 0 or len(edge_weight) != num_edges:
        raise ValueError(
            f"{owner}: edge_weight must have one row per edge ({num_edges}), got "
            f"{len(edge_weight) if edge_weight.dim() else 'a single number'}."
        )


def input_width(recipe: str, data: Any, encoder: Encoder | None) -> int:
    """What a recipe for nodes reads: the number of features; 0 where an encoder brings its own.

    Raises:
        TypeError: no graph of one node type; features that are no floating-point tensor; an
            encoder of another kind, see `gcl.checks.check_encoder`.
        ValueError: no features.
    """
    if isinstance(data, Dataset) and len(data):  # of one graph, or of several on one kind of nodes
        data = data[0]
    check_one_type(recipe, data)
    return _width(recipe, data, encoder)


def input_width_of_graphs(recipe: str, data: Any, encoder: Encoder | None) -> int:
    """The same for a recipe for whole graphs: a graph, a batch, a data set or a list of graphs.

    Raises:
        TypeError, ValueError: see `input_width`.
    """
    several = isinstance(data, Dataset | Sequence) and not isinstance(data, str)
    if several and not len(data):
        raise ValueError(
            f"{recipe}: expected at least one graph, got an empty {type(data).__name__}."
        )
    one = data[0] if several else data
    if not isinstance(one, Data):
        raise TypeError(
            f"{recipe}: expected a graph, a batch, a data set or a list of graphs of one node "
            f"type, got {what_came(one)}."
        )
    return _width(recipe, one, encoder)


def _width(recipe: str, data: Any, encoder: Encoder | None) -> int:
    if encoder is not None:
        check_encoder(recipe, encoder)
        return 0
    x = data.get("x")
    if x is not None:
        check_features(x, f"{recipe}: data.x")
    if x is None or not x.shape[1]:
        raise ValueError(
            f"{recipe}: the graph has no features x; set data.x to a float tensor [num_nodes, "
            "num_features], for example with gcl.transforms.AddDegreeFeatures(max_degree=...)."
        )
    return int(x.shape[1])
