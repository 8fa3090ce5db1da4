"""One readable line for a transform."""

from __future__ import annotations

import inspect
from typing import Any


def describe(transform: Any) -> str:
    """`Name(p=0.3, ...)`: required parameters and those that differ from their default.

    Parameters are read from attributes of the same name.
    """
    parts = []
    for name, parameter in inspect.signature(type(transform)).parameters.items():
        value = getattr(transform, name)
        if parameter.default is inspect.Parameter.empty or value != parameter.default:
            parts.append(f"{name}={value!r}")
    return f"{type(transform).__name__}({', '.join(parts)})"
