"""A recipe with the variants around it, `grace+macl+pot`, and what can be told to it in words."""

from __future__ import annotations

import collections.abc
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gcl.contracts import Method
from gcl.experiments.lookup import find_recipe, find_variant, is_path
from gcl.methods.made import told_of

Options = Mapping[str, Any]
"""By name: numbers and words; one mapping for each object that is an argument, and each variant."""


@dataclass(frozen=True)
class Composition:
    """`variant(recipe(data, ...), ...)`, its functions found.

    Args:
        name: the names of recipe and variants, "grace+macl+pot".
        recipe: `(data, *, hyperparameters) -> Method`.
        variants: `(method, *, hyperparameters) -> Method` by name, the innermost first.
    """

    name: str
    recipe: Callable[..., Method]
    variants: Mapping[str, Callable[..., Method]]

    def build(self, data: Any, options: Options) -> Method:
        """The method for a graph.

        Raises:
            TypeError, ValueError: what recipe and variants raise.
        """
        own = {key: value for key, value in options.items() if key not in self.variants}
        names = iter(self.name.split("+"))
        method = _called(self.name, next(names), self.recipe, data, made(self.recipe, own))
        for name, variant in self.variants.items():
            chosen = made(variant, options.get(name, {}))
            method = _called(name, next(names), variant, method, chosen)
        return method

    def defaults(self) -> dict[str, Any]:
        """Every option at the value that recipe and variants give it."""
        found = plain_defaults(self.recipe)
        return found | {name: plain_defaults(variant) for name, variant in self.variants.items()}


def _called(
    name: str, path: str, function: Callable[..., Any], first: Any, options: Options
) -> Method:
    """What a recipe or variant makes, which tells how; a function of others by its path."""
    before = getattr(first, "made_by", None)
    found = function(first, **options)
    if not isinstance(found, Method):
        raise TypeError(f"{name} must return a gcl.Method, got {found!r:.80}.")
    if ":" in path or is_path(path):
        call = inspect.signature(function).bind(first, **options)
        told_of(path, call, found, before)
    return found


@lru_cache
def compose(name: str) -> Composition:
    """Recipe and variants by name, joined by plus signs, the recipe first.

    Raises:
        ValueError: an unknown name; a variant twice, or called like an option of the recipe.
    """
    first, *rest = name.split("+")
    recipe, variants = find_recipe(first), {}
    for part in rest:
        variant = find_variant(part)
        key = part.rpartition(":")[2] if not is_path(part) else variant.__name__
        if key in variants or key in inspect.signature(recipe).parameters:
            raise ValueError(f"{name}: {key!r} stands twice, or is an option of {first} itself.")
        variants[key] = variant
    for kind, function in (("recipe", recipe), *(("variant", v) for v in variants.values())):
        if not inspect.signature(function).parameters:
            what = "graph" if kind == "recipe" else "method"
            raise ValueError(f"{function.__name__} is no {kind}: it takes no {what}.")
        _check_told(function)
    return Composition(name, recipe, variants)


def _check_told(function: Callable[..., Any]) -> None:
    """Raises ValueError where a function needs an object that no word can name."""
    told = words(function)
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        required = parameter.default is parameter.empty and not several
        if required and parameter.name not in told:
            raise ValueError(
                f"{function.__name__} needs {parameter.name!r}, an object that no option can name; "
                "call it from Python, or in a function of your own: package.module:function."
            )


def words(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters that can be told in words, with their annotations: numbers, texts, lists, ...

    The first parameter is the graph or the method. What else is an object of code, such as an
    encoder, is left out; of an object or a word, `Encoder | Literal["propagated"]`, the word stays.
    """
    hints = _hints(function)
    found = {
        name: _told_part(hints.get(name, Any))
        for name in list(inspect.signature(function).parameters)[1:]
    }
    return {name: hint for name, hint in found.items() if hint is not None}


def words_or_objects(function: Callable[..., Any]) -> dict[str, Any]:
    """Those of `words` that take an object as well, with the part that words can tell."""
    hints, told = _hints(function), words(function)
    return {name: hint for name, hint in told.items() if not _is_plain(hints.get(name, Any))}


def objects(function: Callable[..., Any]) -> dict[str, type]:
    """Parameters whose type can be told in words itself, with this type: `paths: AddMetaPaths`."""
    return {
        name: type(parameter.default)
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]
        if _is_told(parameter.default)
    }


def plain_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of all options; those of objects as mappings."""
    parameters = inspect.signature(function).parameters
    found: dict[str, Any] = {
        name: None if parameters[name].default is inspect.Parameter.empty
        else parameters[name].default
        for name in words(function)
    }  # fmt: skip
    for name, kind in objects(function).items():
        given = parameters[name].default
        found[name] = {key: getattr(given, key) for key in inspect.signature(kind).parameters}
    return found


def made(function: Callable[..., Any], options: Options) -> dict[str, Any]:
    """Options as the function takes them: a mapping for an object becomes one.

    What the mapping does not name is as in the function's own default.

    Raises:
        ValueError: an option that the function does not have.
    """
    kinds, defaults = objects(function), plain_defaults(function)
    known = list(inspect.signature(function).parameters)[1:]
    if unknown := sorted(set(options) - {*known}):
        raise ValueError(
            f"{function.__name__} has no option {unknown[0]!r}; it has {', '.join(known)}."
        )
    return {
        key: kinds[key](**(defaults[key] | dict(value)))
        if key in kinds and isinstance(value, Mapping)
        else value
        for key, value in options.items()
    }


def _is_told(value: Any) -> bool:
    """Whether a default is an object of numbers that it keeps under their names."""
    kind = type(value)
    if isinstance(value, type | types.FunctionType) or kind.__module__ == "builtins":
        return False
    parameters = inspect.signature(kind).parameters
    return bool(parameters) and all(hasattr(value, name) for name in parameters)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = function.__init__ if inspect.isclass(function) else function
    try:
        return get_type_hints(target)
    except (NameError, TypeError, AttributeError):  # annotations that only an editor can read
        return {}


def _told_part(hint: Any) -> Any:
    """What of an annotation words can tell, or None."""
    if _is_plain(hint):
        return hint
    if get_origin(hint) in (Union, types.UnionType):
        plain = tuple(part for part in get_args(hint) if _is_plain(part))
        if any(get_origin(part) is Literal for part in plain):
            return Union[plain]  # noqa: UP007, of as many as there are
    return None


def _is_plain(hint: Any) -> bool:
    if hint is Any or hint in (int, float, str, bool, type(None), Path, list, tuple, dict):
        return True
    origin = get_origin(hint)
    if origin is Literal:
        return True
    if origin in (Union, types.UnionType, list, tuple, dict, collections.abc.Sequence):
        return all(part is Ellipsis or _is_plain(part) for part in get_args(hint))
    return False
