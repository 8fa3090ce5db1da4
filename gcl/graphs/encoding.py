"""What an encoder is handed of a graph."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.models.basic_gnn import BasicGNN

from gcl.checks import OF_EDGES, shown
from gcl.graphs.misfits import told_misfit
from gcl.graphs.rows import HELPERS
from gcl.graphs.views import lost_by
from gcl.ops.tracing import outside_graph

_told_of: weakref.WeakSet[Any] = weakref.WeakSet()
"""Encoders that have been told of going without what their graph has."""


def encode(encoder: Any, data: Any, x: Tensor | None = None, asked: Any = None) -> Tensor:
    """`encoder(x, edge_index, edge_weight)`, and what else its signature asks for by name.

    - `degree`: the in-degrees of the whole graph, which `gcl.loader` writes to every batch, so that
      a layer of it is normalised as in the whole graph.
    - `edge_attr`, `edge_type`: one row an edge, of the edges of this view. PyG's convolutions have
      them as their third parameter, and get no weights then. A layer that was made without
      `edge_dim`, as PyG's `GAT` is by default, does not ask.

    An encoder that has no such parameter is called without.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        data: a graph or a view of one.
        x: features in place of `data.x`.
        asked: whose signature it is; the encoder's own if None.

    Shape:
        x `[n, f]` -> `[n, d]`.

    Raises:
        ValueError: the encoder needs edge attributes that the graph has not, not one an edge, or
            of another width; it failed at the shape or dtype of what it got. What else an encoder
            raises is left as it is, as is everything inside `torch.compile`.

    Warns:
        UserWarning: the encoder can go without an attribute that the graph has and this view has
            lost; once an encoder.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pair = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> encode(lambda x, edge_index, edge_weight: x + 1, pair)
        tensor([[2.],
                [2.]])
        >>> pair.edge_attr = torch.tensor([[3.0], [4.0]])
        >>> encode(lambda x, edge_index, edge_weight, edge_attr: x + edge_attr, pair)
        tensor([[4.],
                [5.]])
    """
    x = data.x if x is None else x
    asked = encoder if asked is None else asked
    third: Any = data.get("edge_weight")
    further: dict[str, Tensor] = {}
    edges: dict[str, Tensor | None] = {}
    degree = known_degree(data, x.shape[0])
    if degree is not None and asks_for(asked, "degree"):
        further["degree"] = degree
    for name in asked_of_edges(asked):
        value, at_third = data.get(name), _third(asked) == name
        edges[name] = value
        if value is None:
            _check_goes_without(asked, name, third is not None)
        else:
            _check_rows(asked, name, value, data.edge_index)
        if at_third:
            third = value
        elif value is not None:
            further[name] = value
    z = _called(encoder, (x, data.edge_index, third), further, data, asked, edges)
    if any(value is None for value in edges.values()):
        _tell_of_lost(asked, data, edges)
    return z


def _called(
    encoder: Any,
    given: tuple[Any, ...],
    further: dict[str, Tensor],
    data: Any,
    asked: Any,
    edges: dict[str, Tensor | None],
) -> Tensor:
    """`encoder(*given, **further)`, whose misfits are told."""
    if torch.compiler.is_compiling():  # a graph cannot break inside of try
        return encoder(*given, **further)
    try:
        return encoder(*given, **further)
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        lost = next((by for name in edges if (by := lost_by(data, name))), None)
        told = told_misfit(_inside(asked), given[0], edges, error, lost)
        if told is None:
            raise
        raise ValueError(told) from error


def known_degree(data: Any, rows: int) -> Tensor | None:
    """The degrees that the data tell; None where a view has added rows that have none."""
    degree = data.get("degree")
    if not isinstance(degree, Tensor):
        return None
    helped = any(data.get(name) is not None for name in HELPERS)
    return None if helped and len(degree) != rows else degree


@outside_graph
def asked_of_edges(encoder: Any) -> list[str]:
    """Which attributes of edges besides weights an encoder has a parameter for.

    Example:
        >>> from torch_geometric.nn import GAT
        >>> asked_of_edges(GAT(3, 4, 2)), asked_of_edges(GAT(3, 4, 2, edge_dim=5))
        ([], ['edge_attr'])
    """
    return [name for name in OF_EDGES if asks_for(encoder, name)]


def asks_for(encoder: Any, name: str) -> bool:
    """Whether an encoder has such a parameter, or what it wraps as `module` or `encoder`.

    What takes any keyword is such a wrapper, and hands it on.
    """
    inside = _inside(encoder)
    return name in _parameters(inside) and (name != "edge_attr" or _reads_edges(inside))


def _inside(encoder: Any) -> Any:
    """An encoder without its wrappers."""
    while any(p.kind is p.VAR_KEYWORD for p in _parameters(encoder).values()):
        wrapped = getattr(encoder, "module", getattr(encoder, "encoder", None))
        if wrapped is None:
            break
        encoder = wrapped
    return encoder


def _parameters(encoder: Any) -> Mapping[str, inspect.Parameter]:
    call = encoder.forward if isinstance(encoder, nn.Module) else encoder
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):  # not every callable tells
        return {}


def _reads_edges(encoder: Any) -> bool:
    """Whether a model of PyG was made for edge attributes; others that take them read them."""
    if isinstance(encoder, BasicGNN):
        return encoder.supports_edge_attr and any(map(_made_for_edges, encoder.convs))
    of_pyg = isinstance(encoder, MessagePassing) and hasattr(encoder, "edge_dim")
    return not of_pyg or _made_for_edges(encoder)


def _made_for_edges(layer: Any) -> bool:
    return getattr(layer, "edge_dim", None) is not None


@outside_graph
def _third(encoder: Any) -> str | None:
    """The name of the parameter where weights go."""
    names = [p.name for p in _parameters(_inside(encoder)).values() if p.kind is not p.KEYWORD_ONLY]
    return names[2] if len(names) > 2 else None


@outside_graph
def _check_goes_without(encoder: Any, name: str, weighted: bool) -> None:
    inside = _inside(encoder)
    required = _parameters(inside)[name].default is inspect.Parameter.empty
    if not required and not isinstance(inside, BasicGNN | MessagePassing):
        return
    advice = ""
    if weighted and name == "edge_attr":
        advice = "; data.edge_attr = data.edge_weight.unsqueeze(1) makes one feature of the weights"
    raise ValueError(
        f"{type(inside).__name__} reads {name}, one row an edge, and the graph or view that it got "
        f"has none; set data.{name} and take views and transforms that keep it, or give an encoder "
        f"that goes without{advice}."
    )


@outside_graph
def _tell_of_lost(encoder: Any, data: Any, edges: Mapping[str, Tensor | None]) -> None:
    """A warning, once an encoder, that it did without what its graph has and the view has not."""
    encoder = _inside(encoder)
    lost = {n: lost_by(data, n) for n, value in edges.items() if value is None}
    name = next((name for name, view in lost.items() if view is not None), None)
    if name is None or encoder in _told_of:
        return
    with suppress(TypeError):  # not every callable can be referred to weakly
        _told_of.add(encoder)
    warnings.warn(
        f"{type(encoder).__name__} reads {name}, which the graph has and {lost[name]} has not: it "
        f"goes without there; take augmentations and a recipe that keep {name}, or an encoder that "
        "does not read it.",
        stacklevel=1,
    )


@outside_graph
def _check_rows(encoder: Any, name: str, value: Any, edge_index: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a tensor with one row an edge, got {shown(value)}.")
    rows = len(value) if value.dim() else 0
    if rows != edge_index.shape[1]:
        raise ValueError(
            f"{type(_inside(encoder)).__name__} reads {name}, one row an edge, but of "
            f"{edge_index.shape[1]} edges {rows} have one; a view that drops or adds edges "
            f"must do so to the rows of {name}, as those of gcl.augment do."
        )
    width = _edge_width(_inside(encoder)) if name == "edge_attr" else None
    # PyG's layers make a column of one number an edge.
    if width is not None and list(value.shape[1:]) not in ([width], [] if width == 1 else [width]):
        raise ValueError(
            f"{type(_inside(encoder)).__name__}: made for {width} features an edge, but edge_attr "
            f"is {list(value.shape)}; give attributes as it was made for, or make it for these."
        )


def _edge_width(encoder: Any) -> int | None:
    """How wide edge attributes must be, where they go straight to a layer of PyG that tells."""
    layers = encoder.convs if isinstance(encoder, BasicGNN) else [encoder]
    width = getattr(layers[0], "edge_dim", None) if isinstance(layers[0], MessagePassing) else None
    return width if isinstance(width, int) and width > 0 else None
