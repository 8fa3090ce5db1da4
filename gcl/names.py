"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest name as part of a sentence, whatever the case of letters; empty if none is near.

    Example:
        >>> did_you_mean("GRASE", ["grace", "dgi"])
        "did you mean 'grace'? "
    """
    by_lower = {other.lower(): other for other in known}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[found[0]]!r}? " if found else ""
