"""Columns of a table as features: numbers as they are, words as one-hot or as codes."""

from __future__ import annotations

import re
import warnings
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from gcl.checks import shown
from gcl.data.tables import Table, missing, refuse_commas, refuse_values

Categories: TypeAlias = Literal["one_hot", "codes"]


class Features(NamedTuple):
    """What a table became.

    Attributes:
        x: `[rows, columns]`, float32; int64 where all columns are codes.
        names: of the columns of x.
        categories: of every column of words its values, in the order of their codes.
    """

    x: Tensor
    names: list[str]
    categories: dict[str, list[str]]


def features_of(where: str, table: Table, categories: Categories, limit: int) -> Features:
    """Columns side by side, in their order.

    Numbers are taken as they are; where some are missing, they are the mean of the column, and a
    column `name=missing` of ones and zeros says where. Words are one-hot (`name=value`), or codes
    from 0; above `limit` values the rarest are one, `name=other`, as is the word itself; missing
    ones are `name=missing`, as is that word.

    Warns:
        UserWarning: a column has more than `limit` different words.

    Raises:
        TypeError: a column of dates, also as text with more than `limit` different ones.
        ValueError: a column of nothing, of infinity, or in which every row has words of its own;
            two columns that would have one name.

    Example:
        >>> table = {"age": np.array([1.0, np.nan]), "kind": np.array(["a", "b"], dtype=object)}
        >>> found = features_of("here", table, "one_hot", 50)
        >>> found.x.tolist(), found.names
        ([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]], ['age', 'age=missing', 'kind=a', 'kind=b'])
    """
    columns: list[np.ndarray] = []
    names: list[str] = []
    found: dict[str, list[str]] = {}
    for name, column in table.items():
        refuse_values(where, name, column)
        refuse_commas(where, name, column)
        gone = missing(column)
        if gone.all() and len(gone):
            raise ValueError(f"{where}: column {name!r} has no values; leave it out.")
        if column.dtype != object:
            columns.append(_filled(where, name, column, gone))
            names.append(name)
            if gone.any():
                columns.append(gone.astype(np.float32))
                names.append(f"{name}=missing")
            continue
        codes, values = _coded(where, name, column, gone, limit)
        found[name] = values
        if categories == "codes":
            columns.append(codes)
            names.append(name)
            continue
        columns += [(codes == code).astype(np.float32) for code in range(len(values))]
        names += [f"{name}={value}" for value in values]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{where}: two features would be called {twice[0]!r}; rename a column.")
    whole = bool(columns) and categories == "codes" and len(found) == len(table)
    dtype = np.int64 if whole else np.float32
    rows = len(next(iter(table.values()))) if table else 0
    x = np.stack(columns, 1).astype(dtype) if columns else np.zeros((rows, 0), np.float32)
    return Features(torch.from_numpy(x), names, found)


def classes_of(
    where: str, name: str, column: np.ndarray
) -> tuple[Tensor, list[str] | list[int] | list[float]]:
    """Classes from 0 in the order of their names, -1 where missing, and the names.

    Raises:
        TypeError: a column of dates.
        ValueError: a column of nothing, or with infinity.

    Example:
        >>> classes_of("here", "kind", np.array(["b", None, "a"], dtype=object))
        (tensor([ 1, -1,  0]), ['a', 'b'])
    """
    refuse_values(where, name, column)
    known = ~missing(column)
    there = column[known]
    if len(column) and not len(there):
        raise ValueError(
            f"{where}: the label {name!r} has no values; name another column, or leave label= out."
        )
    if column.dtype == object:
        there = np.array([str(v) for v in there])
    elif not bool((np.abs(there) < 2**63).all()):
        raise ValueError(
            f"{where}: the label {name!r} holds infinity, or numbers from 2^63; classes are words "
            "or whole numbers, and missing where unknown."
        )
    elif bool((there == there.astype(np.int64)).all()):
        there = there.astype(np.int64)
    names, codes = np.unique(there, return_inverse=True)
    y = np.full(len(column), -1, dtype=np.int64)
    y[known] = codes
    return torch.from_numpy(y), names.tolist()


def _filled(where: str, name: str, column: np.ndarray, gone: np.ndarray) -> np.ndarray:
    numbers = column.astype(np.float64)
    there = numbers[~gone]
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(there.astype(np.float32)).all())
    if not finite:
        raise ValueError(
            f"{where}: column {name!r} holds infinity, or numbers above 3e38; mark such values as "
            "missing, or leave the column out."
        )
    if gone.any():
        numbers[gone] = there.mean()
    return numbers.astype(np.float32)


def _coded(
    where: str, name: str, column: np.ndarray, gone: np.ndarray, limit: int
) -> tuple[np.ndarray, list[str]]:
    """Codes of words, and what they stand for."""
    if gone.any():
        gone = gone | (column == "missing")
    words = np.array([str(v) for v in column[~gone]])
    values, place, counts = np.unique(words, return_inverse=True, return_counts=True)
    if len(values) > limit:
        if all(_DATE.fullmatch(str(value)) for value in values):
            raise TypeError(
                f"{where}: column {name!r} holds {len(values)} different dates, such as "
                f"{shown(str(words[0]))}; turn it into a number, such as days since the first, or "
                "leave it out: name the columns to use."
            )
        if len(values) == len(words):
            raise ValueError(
                f"{where}: column {name!r} has other words in each of its {len(words)} rows, such "
                f"as {shown(str(words[0]))}, which say nothing as categories; name the columns to "
                "use by features=[...], and give embeddings of texts as a matrix."
            )
        warnings.warn(
            f"{where}: column {name!r} has {len(values)} different words; all but the "
            f"{limit - 1} most frequent are '{name}=other'. max_categories= keeps more.",
            stacklevel=5,
        )
        counts[values == "other"] = 0
        kept = np.sort(np.argsort(-counts, kind="stable")[: limit - 1])
        new = np.full(len(values), limit - 1)
        new[kept] = np.arange(limit - 1)
        place, values = new[place], np.append(values[kept].astype(object), "other")
    named = [str(v) for v in values]
    codes = np.full(len(column), len(named), dtype=np.int64)
    codes[~gone] = place
    return codes, [*named, "missing"] if gone.any() else named


_DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{2,4})([T ].*)?")
