"""What the choosers of negatives ask of their numbers."""

from __future__ import annotations


def check_count(name: str, *, least: int = 1, **values: int) -> None:
    """Whole numbers of at least `least`.

    Raises:
        TypeError: not an int.
        ValueError: too small.
    """
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name}: {key} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name}: {key} must be at least {least}, got {value}.")
