"""Which columns name nodes, and whether a table names its columns at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

_OF_NODES: list[tuple[str, ...]] = [("id", "node", "node_id")]
_OF_EDGES: list[tuple[str, ...]] = [("source", "src", "from"), ("target", "dst", "to")]
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


_DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{2,4})([T ].*)?")


def is_date(text: str) -> bool:
    """Whether a text is a date, by numbers, and maybe a time.

    Example:
        >>> is_date("2020-01-31"), is_date("31.1.20 10:00"), is_date("007")
        (True, True, False)
    """
    return _DATE.fullmatch(text) is not None


def is_no_id(text: str) -> bool:
    """Whether a text is a date with a year of four digits: "1.2.30" may number a section.

    Example:
        >>> is_no_id("31.1.2020"), is_no_id("1.2.30")
        (True, False)
    """
    return is_date(text) and re.search(r"\d{4}", text) is not None


def id_names(
    header: Sequence[str], ids: Sequence[str | None], dates: Sequence[str] = ()
) -> list[str]:
    """The columns that name nodes: those told, else of the usual names, else the first ones.

    A column called weight names none unless told, nor do those of dates where others are left.

    Example:
        >>> id_names(["km", "to", "from"], (None, None)), id_names(["a", "b"], (None, "a"))
        (['from', 'to'], ['b', 'a'])
        >>> id_names(["Weight", "when", "u", "v"], (None, None), dates=["when"])
        ['u', 'v']
    """
    found = list(ids)
    for place, names in enumerate(_usual(ids)):
        free = [name for name in header if name not in found]
        by_name = [name for name in free if str(name).lower() in names]
        if found[place] is None and free:
            free = [name for name in free if str(name).lower() != "weight"]
            rest = [name for name in free if name not in dates]
            found[place] = next(iter([*by_name, *rest, *free]), None)
    return [name for name in found if name is not None]


def are_known(header: Sequence[str], ids: Sequence[str | None]) -> bool:
    """Whether a column that names nodes is told, or has a usual name.

    Example:
        >>> are_known(["Source", "b"], (None, None)), are_known(["a", "b"], (None, None))
        (True, False)
    """
    usual = {name for names in _usual(ids) for name in names}
    return any(i is not None for i in ids) or any(str(n).lower() in usual for n in header)


def is_unnamed(name: str) -> bool:
    """What pandas and Polars call a column without a name."""
    return name == "" or name.startswith("Unnamed: ")


def counts_rows(column: np.ndarray) -> bool:
    """Whether a column holds different whole numbers, as an index of pandas does."""
    try:
        whole = column.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        return False
    same = column.dtype.kind in "OUS" or bool((whole == column).all())
    return same and len(np.unique(whole)) == len(whole)


def is_index(where: str, header: Sequence[str], ids: Sequence[str | None], counts: bool) -> bool:
    """Whether the first column is the index that `to_csv` of pandas has written.

    Args:
        where: who asks.
        header: the names of the columns.
        ids: as in `id_names`; nothing is looked for where it is empty.
        counts: the first column holds different whole numbers.

    Raises:
        ValueError: the first column may be the index or the ids of nodes.

    Example:
        >>> is_index("here", ["Unnamed: 0", "source", "target"], (None, None), True)
        True
    """
    if not ids or not header or not is_unnamed(header[0]) or header[0] in ids or not counts:
        return False
    rest = list(header[1:])
    if len(ids) == 2:
        return len(rest) >= 2
    if are_known(rest, ids):
        return True
    other = f"id={rest[0]!r}" if rest else "another column"
    raise ValueError(
        f"{where}: the first column counts rows and has no name, as an index that pandas wrote; "
        f"name the column of ids: {other}, or id={header[0]!r} where these numbers are the ids."
    )


def names_are_ids(
    names: Sequence[str], header: Sequence[str], ids: Sequence[str | None], *known: np.ndarray
) -> list[bool]:
    """Which names of columns of ids look like ids themselves: numbers, or ids of the table.

    None does where one is told, or has a usual name.

    Args:
        names: of the columns of ids.
        header: of all columns.
        ids: as in `id_names`.
        known: ids, as text or whole numbers.

    Example:
        >>> names_are_ids(["ann", "bob"], ["ann", "bob"], (None, None), np.array(["ann", "cay"]))
        [True, False]
    """
    if are_known(header, ids):
        return [False] * len(names)
    texts = [column for column in known if column.dtype.kind == "U"]
    return [
        bool(_NUMBER.fullmatch(name)) or any(bool((column == name).any()) for column in texts)
        for name in names
    ]


def numbers_as_names(
    columns: Mapping[str, np.ndarray], meant: Sequence[str | None] = ()
) -> list[str]:
    """Columns of numbers that are called by a number, as where the first line is a row.

    None where these count from 0 or 1, as pandas calls the columns of a matrix, or are meant.

    Example:
        >>> numbers_as_names({"3": np.array([1.0]), "km": np.array([2.0])})
        ['3']
    """
    found = [
        name
        for name, column in columns.items()
        if _NUMBER.fullmatch(name) and column.dtype.kind in "iuf" and name not in meant
    ]
    counted = [[str(i) for i in range(start, start + len(found))] for start in (0, 1)]
    return [] if len(found) > 1 and found in counted else found


def _usual(ids: Sequence[str | None]) -> list[tuple[str, ...]]:
    return {0: [], 1: _OF_NODES, 2: _OF_EDGES}[len(ids)]
