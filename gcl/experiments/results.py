"""Results files: rows of numbers, written as they come and found again by what they came from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gcl.checkpoint import make_folder, sweep, write_atomically
from gcl.experiments.locks import locked
from gcl.experiments.provenance import provenance

SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "cluster_accuracy": "ACC",
    "cluster_nmi": "NMI",
    "cluster_ari": "ARI",
}

# Where the protocol gives them, too.
SHOWN_FURTHER = {
    "raw_rows_accuracy": "raw rows",
    "auc": "AUC",
    "converged_macro_f1": "macro-F1, converged",
}


class Results:
    """A results file that grows row by row, so that an interrupted benchmark goes on where it was.

    Args:
        path: a CSV file, which need not exist yet.
        needs: columns without which a file is none of these results.

    Raises:
        ValueError: the file lacks one of the columns.
    """

    def __init__(self, path: Path, needs: Sequence[str] = ()):
        self.path = path
        self.rows = read_rows(path, needs)

    def find(self, key: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows that have these values."""
        return [row for row in self.rows if all(str(row[k]) == str(v) for k, v in key.items())]

    def add(self, key: dict[str, Any], *found: dict[str, Any]) -> list[dict[str, Any]]:
        """Write rows under a key, with commit and machine; returns them as they stand there."""
        new = [{**key, **row, **provenance()} for row in found]
        self.rows = add_rows(self.path, new)
        return new


def read_rows(path: Path, needs: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of a CSV file; none if it does not exist or is empty.

    Raises:
        ValueError: a column that is needed is missing, or the file is damaged.
    """
    if not path.is_file():
        return []
    with path.open(newline="", errors="replace") as file:
        reader = csv.DictReader(file)
        try:
            if not reader.fieldnames:  # begun, and stopped before the first row
                return []
            rows = list(reader)
        except csv.Error as error:
            raise ValueError(
                f"{path} is no results file of gcl: {error} (line {reader.line_num})."
            ) from None
    missing = [name for name in needs if name not in reader.fieldnames]
    if missing:
        raise ValueError(f"{path} is no results file of gcl: it has no column {missing[0]!r}.")
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(
                f"{path} is damaged: a row has not the {len(reader.fieldnames)} columns of its "
                "first line; repair it, or take it out."
            )
    return rows


def check_numbers(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Raises ValueError where a row has no number in one of the columns."""
    for row in rows:
        for column in columns:
            try:
                float(row[column])
            except (TypeError, ValueError):
                where = ", ".join(
                    f"{k} {row[k]}" for k in ("config", "seed", "features") if k in row
                )
                raise ValueError(
                    f"{path}: the row of {where} has {row[column]!r} for its {column}, which is no "
                    "number; take the row out, and it is measured again."
                ) from None


def add_rows(
    path: Path, new: Sequence[dict[str, Any]], key: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Add rows to a results file that other programs may be adding to; returns all it holds.

    Args:
        path: the file.
        new: the rows.
        key: columns by which a row that is there already is known, and not added again.

    Raises:
        ValueError: another program holds the file for a minute.
    """
    make_folder(path.parent)
    with locked(path.with_name(f".{path.name}.lock")):
        sweep(path)
        rows = read_rows(path)
        known = {tuple(str(row.get(k)) for k in key) for row in rows if key}
        rows += [row for row in new if tuple(str(row.get(k)) for k in key) not in known]
        write_rows(path, rows)
    return rows


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace a results file in one step."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def summarize(rows: Iterable[dict[str, Any]], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation over seeds, by representation.

    With one seed the deviation is the one over splits, where the protocol has several.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["features"], []).append(row)
    table: dict[str, dict[str, Any]] = {}
    for name, members in groups.items():
        table[name] = {"seeds": len(members)}
        for key in keys:
            values = np.array([float(m[key]) for m in members])
            alone = float(members[0].get(f"{key}_std", 0.0) or 0.0)
            table[name][key] = float(values.mean())
            table[name][f"{key}_std"] = float(values.std(ddof=1)) if len(values) > 1 else alone
    return table
