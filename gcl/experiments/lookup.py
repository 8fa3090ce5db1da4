"""Functions by the names that a command line or a file gives them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from gcl.methods import recipes, variants
from gcl.names import did_you_mean


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

    The module may be a path, "data/mine.py:function"; the function may be left out where the file
    has one alone.

    Raises:
        ValueError: it cannot be imported, or is no function.
    """
    path, _, attribute = (name, "", "") if is_path(name) else name.rpartition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = _from_file(path) if is_path(path) else importlib.import_module(path)
        found = _attribute(module, path, attribute or _only_function(module))
    except (ImportError, AttributeError, ValueError, OSError, SyntaxError) as error:
        raise ValueError(f"{kind} {name!r} cannot be imported: {error}.") from None
    if not callable(found):
        raise ValueError(f"{kind} {name!r} is not a function.")
    return found


def is_path(name: str) -> bool:
    """Whether a module is told by its file."""
    return name.endswith(".py")


def is_code(name: str) -> bool:
    """Whether finding a recipe, or a variant around it, imports what is not gcl's own.

    Example:
        >>> is_code("grace+macl"), is_code("grace+mine:variant"), is_code("mine.py")
        (False, True, True)
    """
    return any(":" in part or is_path(part) for part in name.split("+"))


def module_name(path: str) -> str:
    """How a module is called by what it defines; one told by its file has a name of its own."""
    if not is_path(path):
        return path
    return "_gcl_" + hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]


def _from_file(path: str) -> types.ModuleType:
    """A module by its path; one alone for the whole process."""
    name = module_name(path)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not os.path.isfile(path):
            raise ValueError(f"there is no file {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickles look there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _attribute(module: types.ModuleType, path: str, name: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    meant = did_you_mean(name, [n for n, value in vars(module).items() if callable(value)])
    raise ValueError(f"{path} has no {name!r}{'; ' if meant else ''}{meant.strip()}")


def _only_function(module: types.ModuleType) -> str:
    found = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    ]
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise ValueError(f"name one of its functions after a colon: {listed}")
    return found[0]


def unknown(kind: str, name: str, known: Sequence[str]) -> ValueError:
    """What to say of a name that nobody knows."""
    return ValueError(
        f"Unknown {kind} {name!r}; known: {', '.join(sorted(known))}, or your own as "
        "package.module:function."
    )


def _find(name: str, module: Any, kind: str) -> Callable[..., Any]:
    if ":" in name or is_path(name):
        return imported(name, kind)
    if name not in module.__all__:
        raise unknown(kind, name, module.__all__)
    found: Callable[..., Any] = getattr(module, name)
    return found


def first_line(function: Callable[..., Any]) -> str:
    """What a function is, by its docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]
