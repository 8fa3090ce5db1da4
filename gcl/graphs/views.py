"""Drawing a view of a graph."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch_geometric.data import Data

from gcl.checks import OF_EDGES
from gcl.ops.tracing import outside_graph


@outside_graph
def draw_view(transform: Callable[[Any], Any], data: Any) -> Any:
    """What a transform makes of a shallow copy; the graph itself stays as it is.

    Args:
        transform: a PyG transform, or a function on a graph.
        data: the graph.

    Shape:
        a graph -> a graph.

    A view that has lost attributes of edges says so to encoders that read them (`lost_by`).
    """
    view = transform(copy.copy(data))
    name = getattr(transform, "__name__", type(transform).__name__)
    mark_lost(view, data, f"its view by {name.lstrip('_')}")
    return view


def mark_lost(view: Any, data: Any, told: str) -> None:
    """Writes into a view which attributes of edges its graph has and it has not, for encoders.

    Args:
        view: what has the edges that are encoded.
        data: the graph that it is of.
        told: the view in words.
    """
    if not isinstance(view, Data) or not isinstance(data, Data):
        return  # of several types, or no graph
    for name in OF_EDGES:
        if view.get(name) is None and data.get(name) is not None:
            view[f"{name}_lost_by"] = told


def lost_by(view: Any, name: str) -> str | None:
    """The view that has lost an attribute of edges, in words; None if none has.

    Example:
        >>> import torch
        >>> view = Data()
        >>> mark_lost(view, Data(edge_attr=torch.ones(3, 2)), "its diffusion")
        >>> lost_by(view, "edge_attr"), lost_by(view, "edge_type")
        ('its diffusion', None)
    """
    told: str | None = view.get(f"{name}_lost_by")
    return told
