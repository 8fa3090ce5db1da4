"""Options of a part, read from its signature, so that a new option is tried by itself."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from hypothesis import strategies as st

WRONG = (-1, -0.5, 0, 2.5, math.nan, math.inf, None, "0.3", True, [])
# Counts that cost time, or that only say how much memory there is; what writes files.
LEFT = {"max_bytes", "budget", "folder"}


def _values(hint: Any, default: Any) -> st.SearchStrategy[Any] | None:
    """Values of an annotation; None where it says too little."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        found = [v for v in (_values(a, default) for a in args) if v is not None]
        return st.one_of(found) if found else None
    if hint is type(None):
        return st.none()
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.sampled_from([1, 2, 3, 5])
    if hint is float:
        known = [default] if isinstance(default, float | int) else []
        return st.sampled_from([*known, 0.0, 0.1, 0.4, 1.0, 2.0])
    if origin is tuple and args and args[-1] is not Ellipsis:
        parts = [_values(a, d) for a, d in zip(args, default or args, strict=True)]
        return None if None in parts else st.tuples(*parts)
    if origin in (tuple, list, typing.get_origin(typing.Sequence[int])):
        part = _values(args[0], None)
        return None if part is None else st.lists(part, min_size=1, max_size=2).map(tuple)
    return None


@st.composite
def options_of(
    draw: st.DrawFn,
    part: Callable[..., Any],
    given: dict[str, st.SearchStrategy[Any]] | None = None,
    wrong: bool = True,
) -> dict[str, Any]:
    """Keyword arguments of a function or class, a wrong one among them now and then.

    Args:
        draw: of hypothesis.
        part: what is called with them.
        given: strategies for parameters by name, in place of those of their annotations.
        wrong: whether nonsense may come.
    """
    given = given or {}
    init = part.__init__ if isinstance(part, type) else part
    hints = typing.get_type_hints(init)
    chosen: dict[str, Any] = {}
    free = []
    for name, parameter in inspect.signature(part).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in LEFT:
            continue
        needed = parameter.default is parameter.empty
        values = given.get(name)
        if values is None:
            values = _values(hints.get(name), None if needed else parameter.default)
        if values is None:
            continue
        free.append(name)
        # Counts of the papers are too large for a case.
        counts = isinstance(parameter.default, int | tuple) and parameter.default is not True
        if needed or name in given or counts or draw(st.integers(0, 2)) == 0:
            chosen[name] = draw(values)
    if wrong and free and draw(st.integers(0, 9)) == 0:
        chosen[draw(st.sampled_from(free))] = draw(st.sampled_from(WRONG))
    return chosen
