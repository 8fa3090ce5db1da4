"""How the columns of a graph were made, kept so that those of a later table are made alike."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from torch_geometric.data import Data

from gcl import checkpoint
from gcl.checks import shown
from gcl.names import did_you_mean

Made: TypeAlias = list[dict[str, Any]]
"""What was made of what: a dict for the graph, and one for each column of its tables."""

_FORMAT = "gcl-columns-1"


def save_columns(data: Data, path: str | PathLike[str]) -> None:
    """Writes how the columns of a graph were made into a file, for `like=` of a later graph.

    That is `data.columns_made`: names, categories, means that fill what is missing, and the
    components of an SVD; no row of the table. The file is one of safetensors, without a pickle.

    Args:
        data: what `gcl.data.from_edges`, `from_networkx` or `from_anndata` gave.
        path: the file, such as "columns.safetensors".

    Raises:
        TypeError: no graph of theirs.
        OSError: the file cannot be written.

    Example:
        >>> import gcl, os, tempfile
        >>> edges, nodes = {"source": [0], "target": [1]}, {"id": [0, 1], "age": [20, None]}
        >>> path = os.path.join(tempfile.mkdtemp(), "columns.safetensors")
        >>> save_columns(gcl.data.from_edges(edges, nodes), path)
        >>> nodes = {"id": [0, 1], "age": [None, 60]}
        >>> gcl.data.from_edges(edges, nodes, like=path).x.tolist()
        [[20.0, 1.0], [60.0, 0.0]]
    """
    checkpoint.save({"format": _FORMAT, "columns": _of("save_columns", data)}, path)


def earlier(where: str, like: Any, maker: str) -> tuple[dict[str, Any], Made]:
    """What `like=` tells of the graph, and of its columns.

    Args:
        where: who asks.
        like: a graph, or the path of a file that `save_columns` wrote.
        maker: "from_edges" or "from_anndata": which of them must have made it.

    Raises:
        TypeError: something else.
        FileNotFoundError: no such file.
        ValueError: another file, or a graph that another function made.
    """
    if isinstance(like, str | PathLike):
        if not Path(like).is_file():
            raise FileNotFoundError(
                f"{where}: like: there is no file {like}; gcl.data.save_columns(data, path) writes "
                "one."
            )
        try:
            found = checkpoint.load(like)
        except checkpoint.CheckpointError:
            found = None
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise ValueError(
                f"{where}: like: {like} holds no columns; gcl.data.save_columns(data, path) writes "
                "them."
            )
        made: Made = found["columns"]
    else:
        made = _of(f"{where}: like", like)
    graph = made[0]
    if graph["made_by"] != maker:
        raise ValueError(
            f"{where}: like is a graph of gcl.data.{graph['made_by']}, whose columns are of "
            "another kind; call that."
        )
    return graph, made[1:]


def _of(where: str, data: Any) -> Made:
    made = getattr(data, "columns_made", None)
    if not (isinstance(made, list) and made and isinstance(made[0], dict)):
        raise TypeError(
            f"{where}: expected a graph of gcl.data.from_edges, from_networkx or from_anndata, "
            f"which has columns_made, got {shown(data)}."
        )
    return made


def number_again(where: str, made: dict[str, Any], column: np.ndarray) -> np.ndarray:
    """A column of numbers as float64, its gaps as NaN.

    Raises:
        ValueError: it holds words.
    """
    if column.dtype != object:
        return column.astype(np.float64)
    words = [v for v in column if v is not None]
    if words:
        numbers = [v for v in words if not isinstance(v, int | float | np.number)]
        word = (numbers or words)[0]
        raise ValueError(
            f"{where}: column {made['name']!r} held numbers in the earlier graph, and now holds "
            f"{shown(word)}; mark such values as missing."
        )
    return np.full(len(column), np.nan)


def fill_again(where: str, made: dict[str, Any], gone: np.ndarray) -> float:
    """The mean of the earlier graph.

    Warns:
        UserWarning: something is missing now, and no column says where.
    """
    if gone.any() and not made["missing"]:
        warnings.warn(
            f"{where}: column {made['name']!r} has {int(gone.sum())} missing values and had none "
            f"in the earlier graph; they are its mean, {made['fill']:g}, and no column says where.",
            stacklevel=5,
        )
    return float(made["fill"])


def codes_again(
    where: str, made: dict[str, Any], column: np.ndarray, gone: np.ndarray
) -> np.ndarray:
    """Where the word of each row stands among the earlier ones; -1 where nowhere.

    Warns:
        UserWarning: words, or gaps, that the earlier graph did not have, and that are not
            `name=other`.
    """
    name, values = made["name"], made["values"]
    place = {value: code for code, value in enumerate(values)}
    blank = -1 if made["kind"] == "codes" else place.get("missing", -1)
    rest = place.get("other", blank)
    texts = [
        None if lost else _text(v, place) for v, lost in zip(column.tolist(), gone, strict=True)
    ]
    codes = np.array([blank if t is None else place.get(t, rest) for t in texts], dtype=np.int64)
    new = sorted({t for t in texts if t is not None and t not in place})
    became = "0" if made["kind"] == "codes" else "zero in all its columns"
    if new and "other" not in place:
        told = f"'{name}=missing'" if rest >= 0 else became
        warnings.warn(
            f"{where}: column {name!r} has {len(new)} words that the earlier graph had not, such "
            f"as {shown(new[0])}; they are {told}.",
            stacklevel=5,
        )
    if gone.any() and blank < 0 and made["kind"] != "codes":
        warnings.warn(
            f"{where}: column {name!r} has {int(gone.sum())} missing values and had none in the "
            f"earlier graph; they are {became}.",
            stacklevel=5,
        )
    return codes


def _text(value: Any, known: Mapping[str, int]) -> str:
    """A word as it was written then: a gap or its neighbours may make 1 or 1.0 of the same."""
    text = str(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if text in known or not number or not float(value).is_integer():
        return text
    return next((t for t in (str(int(value)), str(float(value))) if t in known), text)


def places(where: str, what: str, wanted: list[str], there: list[str]) -> np.ndarray:
    """Where names stand among others.

    Raises:
        ValueError: some are not there, or twice.

    Example:
        >>> places("here", "genes", ["b", "a"], ["a", "x", "b"]).tolist()
        [2, 0]
    """
    place = {name: i for i, name in enumerate(there)}
    lost = [name for name in wanted if name not in place]
    if lost:
        raise ValueError(
            f"{where}: {len(lost)} of {len(wanted)} {what} of the earlier graph are not there, "
            f"such as {lost[0]!r}; {did_you_mean(lost[0], there)}give all of them."
        )
    twice = [name for name in wanted if there.count(name) > 1] if len(place) < len(there) else []
    if twice:
        raise ValueError(f"{where}: {what} come twice, such as {twice[0]!r}; rename them.")
    return np.array([place[name] for name in wanted], dtype=np.int64)
