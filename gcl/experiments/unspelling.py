"""Values as `gcl.methods.made.spell` wrote them; no code runs but gcl's own and what is trusted."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch_geometric.data import Data, HeteroData

from gcl import augment, losses, transforms
from gcl import nn as gcl_nn
from gcl.checkpoint import CheckpointError
from gcl.experiments.lookup import find_recipe, find_variant, imported, is_path, module_name
from gcl.methods import recipes, variants

ROOMS = (augment, losses, gcl_nn, transforms)
# Classes of others whose constructors only make layers.
FOREIGN = {
    "torch_geometric.nn.models.basic_gnn": ("GCN", "GraphSAGE", "GIN", "GAT", "PNA", "EdgeCNN"),
    "torch.nn.modules.activation": tuple(nn.modules.activation.__all__),
}
ROWS = 2  # of the graph that stands in for another
MOST = 2**40


class AdvisedError(CheckpointError):
    """A folder that may well be sound; the message says what to do."""


def function_of(name: str, first: bool, trust: Sequence[str]) -> Callable[..., Any]:
    """The recipe, or the variant, of a name.

    Args:
        name: as `Made` has it.
        first: whether a recipe is looked for.
        trust: modules that may be imported.

    Raises:
        CheckpointError: no such function, or one that would have to be imported.
        ValueError: a trusted module that cannot be imported.
    """
    if not isinstance(name, str):
        raise CheckpointError(f"{name!r:.80} is no name of a function")
    if ":" in name or is_path(name):
        home = name if is_path(name) else name.rpartition(":")[0]
        return _trusted(name, home, trust, "recipe" if first else "variant")
    room: Any = recipes if first else variants
    if name not in room.__all__:
        what = "recipe" if first else "variant"
        raise CheckpointError(f"there is no {what} {name!r:.80} in this version of gcl")
    return find_recipe(name) if first else find_variant(name)


def unspell(value: Any, trust: Sequence[str] = ()) -> Any:
    """What `spell` was given; a graph comes back as an empty one of the same shapes.

    Args:
        value: JSON.
        trust: modules whose classes and functions may be imported.

    Raises:
        CheckpointError: of another form, unspelt, or code that is not trusted.

    Example:
        >>> unspell({"tuple": [1, None]})
        (1, None)
        >>> path = "gcl.losses.negatives.hardest_negatives.HardestNegatives"
        >>> unspell({"class_path": path, "init_args": {"num": 3}}).num
        3
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [unspell(part, trust) for part in value]
    if not isinstance(value, dict):
        raise CheckpointError(f"it holds a {type(value).__name__}, which gcl does not write")
    if set(value) == {"class_path", "init_args"} and isinstance(value["init_args"], dict):
        kind = class_of(value["class_path"], trust)  # before anything inside it is made
        return kind(**{key: unspell(part, trust) for key, part in value["init_args"].items()})
    if len(value) != 1:
        raise CheckpointError(
            f"it holds an object of {', '.join(map(str, value))!r:.80}, which gcl does not write"
        )
    ((kind, content),) = value.items()
    if kind == "tuple" and isinstance(content, list):
        return tuple(unspell(part, trust) for part in content)
    if kind == "dict" and isinstance(content, dict):
        return {key: unspell(part, trust) for key, part in content.items()}
    if kind == "tensor" and isinstance(content, list):
        return torch.tensor(content)
    if kind == "number" and content in ("inf", "-inf", "nan"):
        return float(content)
    if kind == "graph" and isinstance(content, dict):
        return stand_in(content)
    if kind == "function" and isinstance(content, str) and ":" in content:
        return _public(content.rpartition(":")[2], content, trust)
    raise CheckpointError(f"it holds {kind!r:.80}, which is no kind that gcl writes")


def class_of(path: Any, trust: Sequence[str]) -> Any:
    """The class of a path, if it is gcl's own, a known layer, or trusted."""
    if not isinstance(path, str) or "." not in path:
        raise CheckpointError(f"{path!r:.80} is no path of a class")
    home, _, name = path.rpartition(".")
    if name in FOREIGN.get(home, ()):
        return getattr(importlib.import_module(home), name)
    found = _public(name, f"{home}:{name}", trust)
    if not isinstance(found, type):
        raise CheckpointError(f"{path} is no class")
    return found


def _public(name: str, path: str, trust: Sequence[str]) -> Any:
    """A public name of the rooms, or one of a trusted module."""
    home = path.rpartition(":")[0]
    if home.startswith("gcl."):
        for room in ROOMS:
            found = getattr(room, name, None) if name in room.__all__ else None
            if getattr(found, "__module__", None) == home:
                return found
        raise CheckpointError(f"{path.replace(':', '.')} is no public part of this version of gcl")
    return _trusted(path, home, trust, "part")


def _trusted(name: str, home: str, trust: Sequence[str], kind: str) -> Any:
    """What a trusted module itself defines, or one inside it: what it imported is not trusted."""
    check_trusted(name, home, trust)
    found = imported(name, kind)
    defined = getattr(found, "__module__", None)
    if defined != module_name(home) and not _is_inside(str(defined), trust):
        raise AdvisedError(
            f"it needs {name}, which {home} does not define: it is of {defined}; write a function "
            f"or class of your own in {home}, and save the method with that"
        )
    return found


def check_trusted(name: str, module: str, trust: Sequence[str]) -> None:
    """Raises CheckpointError where code of a module, or of a file, is not trusted by its name.

    What is inside a trusted module is trusted; a file is by its very path, whatever it begins with.
    """
    if not _is_inside(module, trust):
        raise AdvisedError(
            f"it needs {name}, which is no code of gcl; if you trust it, load with "
            f"trust=({module!r},)"
        )


def _is_inside(module: str, trust: Sequence[str]) -> bool:
    dotted = all(part.isidentifier() for part in module.split("."))
    inside = tuple(f"{known}." for known in trust) if dotted and not is_path(module) else ()
    return module in trust or module.startswith(inside)


def stand_in(shapes: Mapping[str, Any]) -> Data | HeteroData:
    """A graph without edges, of the types and widths that were recorded; it takes no memory.

    Raises:
        CheckpointError: of another form.
    """
    if set(shapes) == {"x"}:
        data = Data(x=_features(shapes["x"], ROWS), edge_index=_no_edges())
        data.num_nodes = ROWS
        return data
    if set(shapes) != {"nodes", "edges", "metapaths"}:
        raise CheckpointError("its graph is not told by nodes, edges and metapaths")
    hetero = HeteroData()
    for kind, about in shapes["nodes"].items():
        count = about["num_nodes"]
        if count is not None:
            hetero[kind].num_nodes = _count(count)
        if about["x"] is not None:
            hetero[kind].x = _features(about["x"], _count(count))
    for edge_type in shapes["edges"]:
        source, relation, target = map(str, edge_type)
        hetero[source, relation, target].edge_index = _no_edges()
    if shapes["metapaths"] is not None:
        hetero.metapaths = [
            [tuple(step) if isinstance(step, list) else step for step in path]
            for path in shapes["metapaths"]
        ]
    return hetero


def _no_edges() -> torch.Tensor:
    return torch.empty(2, 0, dtype=torch.long)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise CheckpointError(f"{value!r:.80} is no number of nodes or features")
    return value


def _features(about: Any, rows: int) -> torch.Tensor | None:
    if about is None:
        return None
    width = _count(about["width"])
    if about["layout"] == "dense":
        return torch.zeros(()).expand(rows, width)
    none = torch.empty(2, 0, dtype=torch.long)
    return torch.sparse_coo_tensor(none, torch.empty(0), (rows, width), check_invariants=False)
