"""One readable line for a transform, and for each of the parts of a method."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn
from torch_geometric.transforms import Compose


def describe(transform: Any) -> str:
    """`Name(p=0.3, ...)`: required parameters and those that differ from their default.

    Parameters are read from attributes of the same name.
    """
    return f"{type(transform).__name__}({', '.join(changed_options(transform))})"


def changed_options(part: Any, *, besides: Collection[str] = ()) -> list[str]:
    """`name=value` for required parameters and those that differ from their default.

    Parameters are read from attributes of the same name, as far as there are. Modules are left out:
    PyTorch prints them as parts of their own; and tensors, which have no line.
    """
    said = []
    for name, parameter in inspect.signature(type(part)).parameters.items():
        if name in besides or not hasattr(part, name):
            continue
        value = getattr(part, name)
        if isinstance(value, nn.Module | Tensor):
            continue
        if parameter.default is inspect.Parameter.empty or value != parameter.default:
            said.append(f"{name}={value!r}")
    return said


def describe_parts(**parts: Any) -> str:
    """A line `(name): part` for each that is not None; transforms one after the other in a line."""
    lines = []
    for name, part in parts.items():
        if isinstance(part, tuple | list):
            lines += [f"({name} {i}): {_line(one)}" for i, one in enumerate(part, 1)]
        elif part is not None:
            lines.append(f"({name}): {_line(part)}")
    return "\n".join(lines)


def _line(part: Any) -> str:
    if not isinstance(part, Compose):
        return str(part)
    return ", ".join(map(_line, part.transforms)) or "as it is"
