"""Checks of parameters at the door, with errors that name the class and the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np


def number(owner: str, name: str, value: Any) -> float:
    """`value` as a finite float."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}.")
    if not np.isfinite(value):
        raise ValueError(f"{owner}: {name} must be finite, got {value}.")
    return float(value)


def probability(owner: str, name: str, value: Any) -> float:
    """`value` as a float in [0, 1]."""
    if not 0 <= number(owner, name, value) <= 1:
        raise ValueError(f"{owner}: {name} must lie in [0, 1], got {value}.")
    return float(value)


def rate(owner: str, name: str, value: Any) -> float | str:
    """`value` as a float in [0, 1], or the name of an attribute with one rate a graph."""
    name_given = isinstance(value, str) and value.isidentifier()  # not "0.3"
    return str(value) if name_given else probability(owner, name, value)


def integer(owner: str, name: str, value: Any, least: int) -> int:
    """`value` as an integer of at least `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{owner}: {name} must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"{owner}: {name} must be >= {least}, got {value}.")
    return int(value)


def attribute_name(owner: str, value: Any) -> str | None:
    """The name of a weight attribute, or None."""
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"{owner}: weight must be the name of an attribute of the data or None, "
            f"got {type(value).__name__}; store the tensor on the data and pass its name."
        )
    return value
