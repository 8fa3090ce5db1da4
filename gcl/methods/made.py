"""How a method was made: the calls of its recipe and variants, in words that a file can hold."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import PurePath
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn.models.basic_gnn import BasicGNN

from gcl.checkpoint import MISFIT
from gcl.checks import shown
from gcl.contracts import Method
from gcl.methods.layer_options import layer_options

F = TypeVar("F", bound=Callable[..., Any])
LAYOUTS = {torch.strided: "dense", torch.sparse_csr: "csr", torch.sparse_coo: "coo"}


@dataclass(frozen=True)
class Made:
    """The call of a recipe, or of a variant, that made a method.

    Args:
        name: of the function, among those of gcl or "package.module:function".
        options: all its arguments but the first, spelt by `spell`.
        first: what stood first: the spelt graph of a recipe, the call that made the method of a
            variant, or None if nothing tells.
    """

    name: str
    options: Mapping[str, Any]
    first: Made | Mapping[str, Any] | None


def recorded(**resolved: Callable[[Any], Any]) -> Callable[[F], F]:
    """A recipe or variant whose methods tell how they were made, in `method.made_by`.

    Args:
        resolved: by the name of an option, what the method says of it: for what was read from the
            graph, or from a file, and shall not be read again.

    Example:
        >>> @recorded()
        ... def shrunk(method, *, by: int = 2):
        ...     return method
        >>> import gcl
        >>> made = shrunk(gcl.methods.dgi(gcl.datasets.load("karate"))).made_by
        >>> dict(made.options), made.first.name
        ({'by': 2}, 'dgi')
    """

    def record(function: F) -> F:
        signature, told, name = inspect.signature(function), told_of, name_of(function)
        plainly, one = _given, function.__name__

        def call(*args: Any, **options: Any) -> Any:
            args, options = plainly(one, signature, args, options)
            # Of a method it goes around, which may be changed in place.
            before = getattr(args[0], "made_by", None) if args else None
            made = function(*args, **options)
            found = signature.bind(*args, **options)
            told(name, found, made, before, resolved)
            return made

        # With the globals of the module it is written in: there doctest and jsonargparse look.
        own: Any = types.FunctionType(
            call.__code__, function.__globals__, function.__name__, None, call.__closure__
        )
        functools.update_wrapper(own, function)
        found: F = own
        return found

    return record


def _given(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as a recipe or variant reads them: of Python's numbers."""
    options = {key: plain(value) for key, value in options.items()}
    for key, value in options.items():
        asked = signature.parameters.get(key)
        whole = asked is not None and asked.annotation in ("int", int)
        # Fractions are told of by the part that they reach.
        if whole and (isinstance(value, bool) or not isinstance(value, Real)):
            raise TypeError(f"{name}: {key} must be a whole number, got {shown(value)}.")
    return (*args[:1], *map(plain, args[1:])), options


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, also within tuples and lists; a vector of them as a tuple.

    Example:
        >>> plain((np.int64(8), np.float64(0.5))), plain(np.array([0.2, 0.4]))
        ((8, 0.5), (0.2, 0.4))
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        return tuple(value.tolist())
    if type(value) in (tuple, list):
        return type(value)(plain(part) for part in value)
    return value


def name_of(function: Callable[..., Any]) -> str:
    """A function by its name among recipes and variants, or as "package.module:function"."""
    home = function.__module__
    if home.startswith("gcl.methods."):
        return function.__name__
    return f"{home}:{function.__qualname__}"


def told_of(
    name: str,
    call: inspect.BoundArguments,
    made: Any,
    before: Made | None,
    resolved: Mapping[str, Callable[[Any], Any]] = types.MappingProxyType({}),
) -> None:
    """Write to a method how it was made."""
    if not isinstance(made, Method) or not call.arguments:
        return
    call.apply_defaults()
    (_, given), *further = call.arguments.items()
    first = before if isinstance(given, Method) else spell(_one(given))
    options = {key: resolved[key](made) if key in resolved else value for key, value in further}
    made.made_by = Made(name, {key: spell(value) for key, value in options.items()}, first)


def _one(data: Any) -> Any:
    """The graph whose widths a recipe reads: of several the first."""
    if isinstance(data, Data | HeteroData) or not hasattr(data, "__getitem__"):
        return data
    return data[0] if len(data) else data


def spell(value: Any) -> Any:
    """A value as JSON holds it; objects as class_path and init_args, graphs by their shapes.

    What has no such spelling becomes `{"unspelt": what it is}`.

    Example:
        >>> spell((0.2, None))
        {'tuple': [0.2, None]}
        >>> spell(lambda x: x)
        {'unspelt': 'the function <lambda> of gcl.methods.made'}
    """
    value = plain(value)
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": str(value)}
    if isinstance(value, tuple):
        return {"tuple": [spell(part) for part in value]}
    if isinstance(value, list):
        return [spell(part) for part in value]
    if isinstance(value, Data | HeteroData):
        return {"graph": shapes_of(value)}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: spell(part) for key, part in value.items()}}
    if isinstance(value, Tensor | np.ndarray):
        what = "a tensor" if isinstance(value, Tensor) else "an array"
        return {"unspelt": f"{what} {list(value.shape)}"}
    if isinstance(value, torch.dtype | torch.device | type):
        return {"unspelt": str(value)}
    if inspect.isroutine(value):
        return _spelt_function(value)
    return _spelt_object(value)


def _spelt_function(value: Any) -> Any:
    home, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not home or not name.isidentifier():
        return {"unspelt": f"the function {name.rpartition('.')[2] or value} of {home}"}
    return {"function": f"{home}:{name}"}


def _spelt_object(value: Any) -> Any:
    """By class and the constructor's arguments, which are read from attributes of their names."""
    kind = type(value)
    path, init = f"{kind.__module__}.{kind.__qualname__}", {}
    given = {}
    try:
        parameters = list(inspect.signature(kind).parameters.values())
    except (TypeError, ValueError):
        return {"unspelt": f"an object of {path}"}
    known = {parameter.name for parameter in parameters}
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if hasattr(value, parameter.name):
            given[parameter.name] = _argument(getattr(value, parameter.name))
            init[parameter.name] = spell(given[parameter.name])
        elif parameter.default is parameter.empty:
            what = f"an object of {path}, which keeps no attribute {parameter.name!r}"
            return {"unspelt": what}
    if isinstance(value, BasicGNN):
        # A class derived from one of PyG's may choose for itself what those are told.
        layers = _of_layers(value, given)
        init |= {key: told for key, told in layers.items() if takes_more or key in known}
    return {"class_path": path, "init_args": init}


def _of_layers(model: BasicGNN, given: dict[str, Any]) -> dict[str, Any]:
    """What a model of PyG was given beside what it keeps; nothing where that cannot be read."""
    # PyG keeps the width of what comes out, and not whether it was given, which decides the layers.
    own = model.jk_mode is not None or getattr(model, "_is_conv_to_out", False)
    known = own or model.out_channels != model.hidden_channels
    found = {"jk": model.jk_mode, "out_channels": model.out_channels if known else None}
    given = {**given, **found}
    with contextlib.suppress(
        *MISFIT, AssertionError
    ):  # whether the calls make it again, saving finds out
        found |= layer_options(model, given)
    return {k: _spelt_numbers(v) if isinstance(v, Tensor) else spell(v) for k, v in found.items()}


def _spelt_numbers(value: Tensor) -> Any:
    return {"tensor": value.tolist()}


def _argument(value: Any) -> Any:
    """Encoders keep a module where they were given a rate."""
    return value.p if isinstance(value, nn.Module) and hasattr(value, "p") else value


def shapes_of(data: Data | HeteroData) -> dict[str, Any]:
    """Of a graph what recipes read: types of nodes and edges, widths, meta-paths."""
    if isinstance(data, Data):
        return {"x": _features(data)}
    nodes = {}
    for kind in data.node_types:
        count = data[kind].get("num_nodes")
        if count is None and data[kind].get("x") is not None:
            count = data[kind].num_nodes
        nodes[kind] = {
            "num_nodes": None if count is None else int(count),
            "x": _features(data[kind]),
        }
    paths = data.get("metapaths")
    return {
        "nodes": nodes,
        "edges": [list(kind) for kind in data.edge_types],
        "metapaths": None if paths is None else _lists(paths),
    }


def _features(store: Any) -> dict[str, Any] | None:
    x = store.get("x")
    if not isinstance(x, Tensor) or x.dim() != 2:
        return None
    return {"width": int(x.shape[1]), "layout": LAYOUTS.get(x.layout, "dense")}


def _lists(value: Any) -> Any:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return [_lists(part) for part in value] if several else str(value)
