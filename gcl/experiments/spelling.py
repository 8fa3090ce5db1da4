"""Options as people type them, and what to say where they are none."""

from __future__ import annotations

import argparse
import collections.abc
import json
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace

from gcl.names import did_you_mean

TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_SEQUENCES = (tuple, list, collections.abc.Sequence)


def parsed(parser: ArgumentParser, options: Sequence[str]) -> Namespace:
    """The options of a run, told as a shell or a person tells them.

    A truth is `--normalize`, `--no_normalize` or `--normalize 0`; several numbers are `0.2,0.4`,
    `0.2 0.4`, `(0.2, 0.4)` or `[0.2, 0.4]`. Names are written out.

    Raises:
        ValueError: an unknown option, or a value that an option does not take.
    """
    known = {
        string[2:]: action
        for action in parser._actions
        for string in action.option_strings
        if string.startswith("--")
    }
    typed = _spelt(options, known)
    try:
        return parser.parse_args(typed)
    except argparse.ArgumentError as error:
        raise ValueError(_told(error, known, typed)) from None


def in_words(hint: Any) -> str:
    """What a type asks for, said to someone who types it.

    Example:
        >>> in_words(tuple[float, float]), in_words(int | None)
        ('2 numbers, such as 0.2,0.4', 'a whole number or null')
    """
    plain = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
        Path: "a path",
        type(None): "null",
    }
    if hint in plain:
        return plain[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(str(part) for part in parts if part != "")
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(in_words(part) for part in parts))
    if origin in _SEQUENCES and parts[0] in (int, float):
        number, example = {
            int: ("whole numbers", "100,300"),
            float: ("numbers", "0.2,0.4"),
        }[parts[0]]
        count = f"{len(parts)} " if origin is tuple and Ellipsis not in parts else ""
        return f"{count}{number}, such as {example}"
    if hint is list or origin in _SEQUENCES:
        return "a list in JSON"
    return "a value in JSON"


def _spelt(options: Sequence[str], known: Mapping[str, argparse.Action]) -> list[str]:
    typed, rest = [], list(options)
    while rest:
        token = rest.pop(0)
        name, equals, value = token[2:].partition("=")
        if not token.startswith("--") or not name:
            hint = did_you_mean(token.lstrip("-"), list(known)) if token.startswith("-") else ""
            raise ValueError(f"unexpected {token!r}; {hint}options begin with two dashes.")
        values = [value] if equals else []
        while rest and not equals and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        denied = name.removeprefix("no_")
        if name not in known and denied in known and _hint(known[denied]) is bool and not values:
            name, values = denied, ["false"]
        if name not in known:
            raise ValueError(
                f"there is no option --{name}; {did_you_mean(name, list(known))}see --help for all."
            )
        typed += _as_typed(name, values, known[name])
    return typed


def _hint(action: argparse.Action) -> Any:
    return getattr(action, "_typehint", None)


def _as_typed(name: str, values: list[str], action: argparse.Action) -> list[str]:
    hint = _hint(action)
    if hint is None and action.nargs == 0:  # a switch
        if values and values[0].lower() in FALSE:
            return []
        if values and values[0].lower() not in TRUE:
            raise ValueError(f"--{name} takes no value, got {' '.join(values)!r}.")
        return [f"--{name}"]
    if hint is bool:
        text = values[0].lower() if len(values) == 1 else " ".join(values)
        chosen = "true" if text in ("", *TRUE) else "false" if text in FALSE else text
        return [f"--{name}={chosen}"]
    if not values:
        raise ValueError(f"--{name} needs a value: {in_words(hint)}.")
    if _several(hint):
        return [f"--{name}={_as_list(' '.join(values), hint)}"]
    if len(values) > 1:
        raise ValueError(f"--{name} takes {in_words(hint)}, got {' '.join(values)!r}.")
    return [f"--{name}={values[0]}"]


def _several(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return any(_several(part) for part in get_args(hint))
    return hint in (list, tuple) or get_origin(hint) in _SEQUENCES


def _as_list(text: str, hint: Any) -> str:
    """Brackets around what has none: a list in JSON."""
    text = text.strip()
    if text.startswith("("):
        text = re.sub(r",\s*\]", "]", text.replace("(", "[").replace(")", "]"))
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    alone = len(parts) == 1 and get_origin(hint) in (Union, types.UnionType)
    if text[:1] in ("[", "{", '"') or alone:
        return text
    return f"[{', '.join(part if _is_json(part) else json.dumps(part) for part in parts)}]"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _told(
    error: argparse.ArgumentError, known: Mapping[str, argparse.Action], typed: Sequence[str]
) -> str:
    """jsonargparse's complaint in our words."""
    found = re.search(r'key "([^"]+)"|argument --([\w.]+)', str(error))
    name = next((part for part in found.groups() if part), "") if found else ""
    if name not in known:
        return " ".join(str(error).split())
    got = next((t.partition("=")[2] for t in reversed(typed) if t.startswith(f"--{name}=")), None)
    return f"--{name} takes {in_words(_hint(known[name]))}, got {got!r}."
