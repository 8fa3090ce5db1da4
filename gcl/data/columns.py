"""Columns of a table as features: numbers as they are, words as one-hot or as codes."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from gcl.checks import shown
from gcl.data.columns_made import Made, codes_again, fill_again, number_again
from gcl.data.naming import is_date
from gcl.data.tables import Table, missing, refuse_commas, refuse_values
from gcl.names import did_you_mean

Categories: TypeAlias = Literal["one_hot", "codes"]


class Features(NamedTuple):
    """What a table became.

    Attributes:
        x: `[rows, columns]`, float32; int64 where all columns are codes.
        names: of the columns of x.
        categories: of every column of words its values, in the order of their codes.
        made: of every column of the table what another one needs to become the same.
    """

    x: Tensor
    names: list[str]
    categories: dict[str, list[str]]
    made: Made


def features_of(where: str, table: Table, categories: Categories, limit: int) -> Features:
    """Columns side by side, in their order.

    Numbers are taken as they are; where some are missing, they are the mean of the column, and a
    column `name=missing` of ones and zeros says where. Words are one-hot (`name=value`), or codes
    from 1; above `limit` values the rarest are one, `name=other`, as is the word itself; missing
    ones are `name=missing`, as is that word, or the code 0.

    Warns:
        UserWarning: a column has more than `limit` different words, or few words among numbers.

    Raises:
        TypeError: a column of dates, also as text with more than `limit` different ones, or of
            complex numbers.
        ValueError: a column of nothing, of infinity, or in which every row has words of its own;
            two columns that would have one name.

    Example:
        >>> table = {"age": np.array([1.0, np.nan]), "kind": np.array(["a", "b"], dtype=object)}
        >>> found = features_of("here", table, "one_hot", 50)
        >>> found.x.tolist(), found.names
        ([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]], ['age', 'age=missing', 'kind=a', 'kind=b'])
    """
    parts: list[Features] = []
    for name, column in table.items():
        refuse_values(where, name, column)
        refuse_commas(where, name, column)
        gone = missing(column)
        if gone.all() and len(gone):
            raise ValueError(f"{where}: column {name!r} has no values; leave it out.")
        made: dict[str, Any] = {"name": name}
        if column.dtype != object:
            there = column[~gone].astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                fill = float(there.mean()) if len(there) else 0.0
            made |= {"kind": "number", "fill": fill, "missing": bool(gone.any())}
            parts.append(_numbers(where, made, column.astype(np.float64), gone, fill))
            continue
        _tell_words_among_numbers(where, name, column[~gone])
        codes, values = _coded(where, name, column, gone, limit, categories)
        made |= {"kind": "codes" if categories == "codes" else "words", "values": values}
        parts.append(_words(made, codes))
    return _side_by_side(where, parts, len(next(iter(table.values()))) if table else 0)


def features_again(where: str, table: Table, made: Made) -> Features:
    """The columns of an earlier table, made of this one as they were then.

    Gaps become the means of then. A word that was not there then is `name=other` where there is
    such a column, else `name=missing`, else zero in all columns of its own.

    Args:
        where: who asks.
        table: with the columns of the earlier one, in any order; others are left out.
        made: what `features_of` told of the earlier one.

    Warns:
        UserWarning: words, or gaps, for which there is no column.

    Raises:
        TypeError: as `features_of`.
        ValueError: a column that is not there, or that held numbers and now holds words.

    Example:
        >>> made = features_of("here", {"age": np.array([10.0, np.nan])}, "one_hot", 50).made
        >>> features_again("here", {"age": np.array([np.nan, 7.0, 8.0])}, made).x.tolist()
        [[10.0, 1.0], [7.0, 0.0], [8.0, 0.0]]
    """
    parts: list[Features] = []
    for one in made:
        name = one["name"]
        if name not in table:
            raise ValueError(
                f"{where}: there is no column {name!r}, which the earlier graph had; "
                f"{did_you_mean(name, table)}the columns are "
                f"{', '.join(map(repr, table)) or 'none'}."
            )
        column = table[name]
        refuse_values(where, name, column)
        refuse_commas(where, name, column)
        gone = missing(column)
        if one["kind"] == "number":
            fill = fill_again(where, one, gone)
            parts.append(_numbers(where, one, number_again(where, one, column), gone, fill))
        else:
            parts.append(_words(one, codes_again(where, one, column, gone)))
    return _side_by_side(where, parts, len(next(iter(table.values()))) if table else 0)


def _numbers(
    where: str, made: dict[str, Any], numbers: np.ndarray, gone: np.ndarray, fill: float
) -> Features:
    name = made["name"]
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(numbers[~gone].astype(np.float32)).all())
    if not finite:
        raise ValueError(
            f"{where}: column {name!r} holds infinity, or numbers above 3e38; mark such values as "
            "missing, or leave the column out."
        )
    filled = np.where(gone, fill, numbers)
    if not made["missing"]:
        return _features([filled], [name], {}, made)
    return _features([filled, gone], [name, f"{name}=missing"], {}, made)


def _words(made: dict[str, Any], codes: np.ndarray) -> Features:
    """Of words by their places among the values, -1 for none."""
    name, values = made["name"], made["values"]
    if made["kind"] == "codes":
        return _features([codes + 1], [name], {name: list(values)}, made)
    columns = [codes == code for code in range(len(values))]
    return _features(columns, [f"{name}={value}" for value in values], {name: list(values)}, made)


def _features(
    columns: list[np.ndarray], names: list[str], found: dict[str, list[str]], made: dict[str, Any]
) -> Features:
    dtype = np.int64 if made["kind"] == "codes" else np.float32
    x = np.stack([column.astype(dtype) for column in columns], 1)
    return Features(torch.from_numpy(x), names, found, [made])


def _side_by_side(where: str, parts: list[Features], rows: int) -> Features:
    names = [name for part in parts for name in part.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{where}: two features would be called {twice[0]!r}; rename a column.")
    if not parts:
        return Features(torch.zeros(rows, 0), [], {}, [])
    found = {name: values for part in parts for name, values in part.categories.items()}
    made = [one for part in parts for one in part.made]
    # Whole where all are: torch.cat takes the wider type of codes and numbers.
    return Features(torch.cat([part.x for part in parts], 1), names, found, made)


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
    if column.dtype == object and not _all_whole(there):
        there = np.array([str(v) for v in there])
    elif not bool((np.abs(there.astype(np.float64)) < 2**63).all()):
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


def _all_whole(values: np.ndarray) -> bool:
    """Whole numbers that are categories, as those of a categorical column of pandas."""
    whole = (isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values)
    return all(whole) and all(-(2**63) <= v < 2**63 for v in values)


def _tell_words_among_numbers(where: str, name: str, column: np.ndarray) -> None:
    words = [str(v) for v in column]
    others = sorted({word for word in words if not _is_number(word)})
    count = sum(not _is_number(word) for word in words)
    if others and 2 * count <= len(words):
        some = ", ".join(shown(word) for word in others[:3]) + (", ..." if len(others) > 3 else "")
        warnings.warn(
            f"{where}: column {name!r} holds words among numbers, {some}, and is taken as words; "
            "mark them as missing where it is a column of numbers: "
            f"pandas.read_csv(path, na_values={others[:3]}).",
            stacklevel=6,
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _coded(
    where: str,
    name: str,
    column: np.ndarray,
    gone: np.ndarray,
    limit: int,
    categories: Categories,
) -> tuple[np.ndarray, list[str]]:
    """Places of words among what they stand for, which comes with them; -1 of gaps as codes."""
    if gone.any():
        gone = gone | (column == "missing")
    words = np.array([str(v) for v in column[~gone]])
    values, place, counts = np.unique(words, return_inverse=True, return_counts=True)
    if len(values) > limit:
        if all(is_date(str(value)) for value in values):
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
    blank = -1 if categories == "codes" else len(named)
    codes = np.full(len(column), blank, dtype=np.int64)
    codes[~gone] = place
    return codes, [*named, "missing"] if gone.any() and blank >= 0 else named
