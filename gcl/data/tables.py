"""Tables of any make as columns of NumPy, and what names a node."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from gcl.checks import shown
from gcl.data.csv_files import read_csv
from gcl.data.naming import are_known, counts_rows, id_names, is_index, is_no_id, is_unnamed
from gcl.names import did_you_mean

Table: TypeAlias = dict[str, np.ndarray]
"""A column by its name: float64 with NaN where missing, or objects with None where missing."""

_KINDS = "a pandas or Polars DataFrame, the path of a CSV file, or a dict of columns"


def read_table(where: str, given: Any, ids: Sequence[str | None] = ()) -> Table:
    """Columns of one length; those named in `ids` of a CSV file stay as they are written.

    An index of pandas that has a name is a column, and so is one of text where no column names
    nodes; one that was written into a file without a name is left out.

    Warns:
        UserWarning: such an index is left out.

    Raises:
        TypeError: no table.
        ValueError: columns of several lengths or dimensions, or that have one name; ids that are
            truths; a file that `read_csv` refuses.
        FileNotFoundError, ImportError: no file, or nothing that reads it.

    Example:
        >>> read_table("here", {"a": [1, None], "b": ["x", None]})
        {'a': array([ 1., nan]), 'b': array(['x', None], dtype=object)}
    """
    if isinstance(given, str | PathLike):
        given = read_csv(where, Path(given), ids)
    if isinstance(given, Mapping):
        table = {str(name): _of_values(where, str(name), v) for name, v in given.items()}
    elif type(given).__module__.partition(".")[0] in ("pandas", "polars"):
        given = _with_index(given, ids)
        table = _of_frame(where, given)
    else:
        raise TypeError(f"{where}: expected {_KINDS}, got {shown(given)}.")
    _refuse_truths(where, given, ids, dates_in(table))
    table = _without_index(where, table, ids)
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{where}: columns must have one length, got {lengths}.")
    return table


def column_of(where: str, table: Table, name: str, role: str) -> np.ndarray:
    """A column that must be there.

    Raises:
        ValueError: it is not.
    """
    if name not in table:
        raise ValueError(
            f"{where}: there is no column {name!r} for {role}; {did_you_mean(str(name), table)}the "
            f"columns are {', '.join(map(repr, table)) or 'none'}."
        )
    return table[name]


def as_ids(where: str, column: np.ndarray, what: str) -> np.ndarray:
    """What names nodes, as int64 or text; text that writes whole numbers becomes numbers.

    "007" stays text, as do all ids of a column in which one is text.

    Raises:
        ValueError: one is missing, or a fraction.

    Example:
        >>> as_ids("here", np.array(["1", "20"], dtype=object), "source")
        array([ 1, 20])
        >>> as_ids("here", np.array(["1", "x"], dtype=object), "source")
        array(['1', 'x'], dtype='<U1')
    """
    refuse_values(where, what, column)
    gone = missing(column)
    if column.dtype == object:
        gone = gone | np.fromiter((v == "" for v in column), bool, len(column))
    if gone.any():
        raise ValueError(
            f"{where}: {what} is missing in {int(gone.sum())} of {len(column)} rows, first in row "
            f"{int(gone.argmax())}; every row needs one: fill it in or leave those rows out."
        )
    if column.dtype != object:
        if column.dtype.kind == "i":
            return column
        whole = column.astype(np.int64) if (np.abs(column) < 2**53).all() else None
        if whole is None or not np.array_equal(whole, column):
            raise ValueError(
                f"{where}: {what} must be whole numbers or text, got fractions, or floats from "
                "2^53 that are no longer exact."
            )
        return whole
    text = np.array([str(v) for v in column]) if len(column) else np.array([], dtype=np.int64)
    return _as_whole(text)


def together(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of two columns in one type: text where either is text."""
    if a.dtype.kind == b.dtype.kind:
        return a, b
    if not len(a) or not len(b):
        return (a.astype(b.dtype), b) if not len(a) else (a, b.astype(a.dtype))
    return a.astype(str), b.astype(str)


def refuse_values(where: str, name: str, column: np.ndarray) -> None:
    """Dates, lists and complex numbers are neither numbers nor words.

    It is asked where a column is used, so that others may hold anything.

    Raises:
        TypeError: the column holds some.
    """
    dates = column.dtype.kind in "mM"
    for row, value in enumerate(column if column.dtype == object else ()):
        if isinstance(value, list | dict | set | np.ndarray):
            raise TypeError(
                f"{where}: column {name!r} must hold one value a row, got {shown(value)} in row "
                f"{row}; leave the column out, or make one of each part."
            )
        if isinstance(value, complex):
            raise TypeError(
                f"{where}: column {name!r} holds complex numbers, such as {value} in row {row}; "
                "make columns of their real and imaginary parts, or leave it out."
            )
        dates = dates or isinstance(value, _DATES)
    if dates:
        raise TypeError(
            f"{where}: column {name!r} holds dates or times; turn it into a number, such as days "
            "since the first, or leave it out."
        )


def refuse_commas(where: str, name: str, column: np.ndarray) -> None:
    """Numbers are no words where a comma separates decimals or thousands.

    Raises:
        ValueError: all words of the column are such.
    """
    words = [v for v in column if v is not None] if column.dtype == object else []
    comma = next((v for v in words if "," in str(v)), None)
    if comma is not None and all(_COMMA.fullmatch(str(v).strip()) for v in words):
        raise ValueError(
            f"{where}: column {name!r} holds numbers with commas, such as {comma!r}; read them as "
            "numbers: pandas.read_csv(path, sep=..., decimal=','), or thousands=','."
        )


_DATES = (
    datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64
)  # fmt: skip
_REAL = (numbers.Real, decimal.Decimal, np.number, np.bool_)
_COMMA = re.compile(r"[+-]?\d+(,\d+)?")


def missing(column: np.ndarray) -> np.ndarray:
    """`[rows]`, where a column has no value."""
    if column.dtype == object:
        return np.fromiter((v is None for v in column), bool, len(column))
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def _as_whole(text: np.ndarray) -> np.ndarray:
    try:
        whole = text.astype(np.int64)
    except (ValueError, OverflowError):
        return text
    return whole if np.array_equal(whole.astype(text.dtype), text) else text


def _without_index(where: str, table: Table, ids: Sequence[str | None]) -> Table:
    header = list(table)
    counts = bool(header) and is_unnamed(header[0]) and counts_rows(table[header[0]])
    if not is_index(where, header, ids, counts):
        return table
    warnings.warn(
        f"{where}: left out the first column, which has no name and counts rows, as an index that "
        "pandas wrote; to_csv(index=False) writes none.",
        stacklevel=6 - len(ids),
    )
    return {name: table[name] for name in header[1:]}


def dates_in(table: Table) -> list[str]:
    """The columns that begin with a date, which name no nodes where others may.

    Example:
        >>> dates_in({"when": np.array(["2020-01-31"], dtype=object), "who": np.array([3])})
        ['when']
    """
    first = {name: column[0] for name, column in table.items() if len(column)}
    return [
        name
        for name, value in first.items()
        if isinstance(value, _DATES) or (isinstance(value, str) and is_no_id(value))
    ]


def _refuse_truths(where: str, given: Any, ids: Sequence[str | None], dates: Sequence[str]) -> None:
    columns = {str(name): name for name in (given if isinstance(given, Mapping) else given.columns)}
    for name in id_names(list(columns), ids, dates) if ids else ():
        values = given[columns[name]] if name in columns else ()
        plain = isinstance(values, list | tuple)
        kind = "" if plain else str(getattr(values, "dtype", "")).lower()
        if "bool" in kind or (plain and any(isinstance(v, bool | np.bool_) for v in values)):
            raise ValueError(
                f"{where}: {name!r} names nodes, but holds True and False; ids are whole numbers "
                "or text: name another column, or write them as text."
            )


def _with_index(frame: Any, ids: Sequence[str | None]) -> Any:
    index = getattr(frame, "index", None)  # Polars has none
    if index is None or not hasattr(frame, "reset_index"):
        return frame
    named = [name for name in index.names if name is not None]
    columns = [str(c) for c in frame.columns]
    known = bool(ids) and (ids[0] in columns if ids[0] is not None else are_known(columns, ids))
    texts = len(ids) == 1 and not known
    texts = texts and len(index) > 0 and all(isinstance(v, str) for v in index)
    if (named or texts) and not set(named or ["index"]) & set(frame.columns):
        return frame.reset_index()
    return frame


def _of_frame(where: str, frame: Any) -> Table:
    if type(frame).__name__ == "LazyFrame":
        raise TypeError(f"{where}: expected a DataFrame, got a LazyFrame; give frame.collect().")
    names = [str(name) for name in frame.columns]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{where}: several columns are called {sorted(twice)[0]!r}; rename them.")
    table = {}
    for given, name in zip(frame.columns, names, strict=True):
        series = frame[given]
        gone = np.asarray(series.isna() if hasattr(series, "isna") else series.is_null())
        values = np.asarray(series.to_numpy())
        if gone.any() and values.dtype.kind not in "fcmM":
            values = values.astype(object)
            values[gone] = None
        # Categories of pandas may be numbers, and are none.
        given_values = series if _is_categorical(series) else values
        table[name] = _of_values(where, name, given_values)
    return table


def _is_categorical(values: Any) -> bool:
    return str(getattr(values, "dtype", "")) == "category"


def _of_values(where: str, name: str, values: Any) -> np.ndarray:
    if _is_categorical(values):
        listed = [None if value is None or value != value else value for value in list(values)]
        values = np.empty(len(listed), dtype=object)
        values[:] = listed
        return values
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    elif not isinstance(values, np.ndarray):
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(
                f"{where}: column {name!r} must be a list or an array, got {shown(values)}."
            )
        listed = list(values)
        values = np.empty(len(listed), dtype=object)
        values[:] = listed
    if values.ndim != 1:
        raise ValueError(
            f"{where}: column {name!r} must hold one value a row, got shape {values.shape}; a "
            "matrix of features is given as features=."
        )
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    if values.dtype.kind in "iu":
        if values.dtype.kind == "u" and len(values) and int(values.max()) >= 2**63:
            return values.astype(str).astype(object)  # no numbers, but names
        return values.astype(np.int64, copy=False)
    if values.dtype.kind in "mM":
        return values  # refused where it is used
    return _of_objects(values)


def _of_objects(values: np.ndarray) -> np.ndarray:
    """Objects as numbers where all that are there are numbers, else as text and numbers."""
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        if isinstance(value, list | dict | set | np.ndarray):
            found[row] = value  # refused where it is used
            continue
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            continue
        if value.is_nan() if isinstance(value, decimal.Decimal) else value != value:
            continue
        found[row] = value
    there = [v for v in found if v is not None]
    if any(isinstance(v, int) and not -(2**63) <= v < 2**63 for v in there):
        return found  # no numbers, but names
    whole = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in there)
    if there and whole and len(there) == len(found):
        return found.astype(np.int64)
    if there and all(isinstance(v, _REAL) and not isinstance(v, complex) for v in there):
        return np.array([np.nan if v is None else float(v) for v in found], dtype=np.float64)
    return found
