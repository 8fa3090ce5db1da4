"""Functions by the names that a command line or a file gives them."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gcl.methods import recipes, variants


def find_recipe(name: str) -> Callable[..., Any]:
    """A recipe of `gcl.methods`, or "package.module:function".

    Raises:
        ValueError: there is no such function.
    """
    return _find(name, recipes, "recipe")


def find_variant(name: str) -> Callable[..., Any]:
    """A variant of `gcl.methods`, or "package.module:function".

    Raises:
        ValueError: there is no such function.
    """
    return _find(name, variants, "variant")


def imported(name: str, kind: str) -> Callable[..., Any]:
    """The function "package.module:function", also of a file in the working folder.

    Raises:
        ValueError: it cannot be imported, or is no function.
    """
    path, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} cannot be imported: {error}.") from None
    if not callable(found):
        raise ValueError(f"{kind} {name!r} is not a function.")
    return found


def unknown(kind: str, name: str, known: Sequence[str]) -> ValueError:
    """What to say of a name that nobody knows."""
    return ValueError(
        f"Unknown {kind} {name!r}; known: {', '.join(sorted(known))}, or your own as "
        "package.module:function."
    )


def _find(name: str, module: Any, kind: str) -> Callable[..., Any]:
    if ":" in name:
        return imported(name, kind)
    if name not in module.__all__:
        raise unknown(kind, name, module.__all__)
    found: Callable[..., Any] = getattr(module, name)
    return found


def first_line(function: Callable[..., Any]) -> str:
    """What a function is, by its docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]
