"""Embeddings as a file of the kind that its name ends in: .npz, .csv or .parquet."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from gcl.checkpoint import STALE, sweep

KINDS = (".npz", ".csv", ".parquet")
AT_A_TIME = 4096  # rows


def check_kind(path: Path) -> None:
    """That the file is one of `KINDS`, that its folder is there, and that it can be written here.

    Raises:
        ValueError: it is not.
    """
    if path.suffix not in KINDS:
        raise ValueError(f"{path}: the file must end in one of {', '.join(KINDS)}.")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give a file.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path}: nothing can be written to the folder {path.parent}.")
    if path.suffix == ".parquet":
        _pyarrow()


def write_embeddings(path: str | os.PathLike[str], z: Any, ids: Sequence[Any]) -> None:
    """One row for each id: columns `id`, `z0`, `z1`, ...; in .npz the arrays `ids` and `z`.

    An old file stays whole until the new one is written.

    Args:
        path: the file.
        z: `[n, d]`.
        ids: n of them.

    Raises:
        ValueError: another kind of file; as many ids as there are rows are wanted; .parquet
            without pyarrow, the extra `parquet`.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "z.csv"
        >>> write_embeddings(path, np.array([[0.5, 1.0]]), ["a"])
        >>> path.read_text().split()
        ['id,z0,z1', 'a,0.5,1']
    """
    path, rows = Path(path), np.asarray(z)
    check_kind(path)
    if len(ids) != len(rows):
        raise ValueError(f"write_embeddings: {len(ids)} ids for {len(rows)} rows.")
    names = np.asarray(ids)
    if names.dtype == object:  # which a .npz could only hold as a pickle
        names = names.astype(str)
    with _replacing(path) as file:
        {".npz": _npz, ".csv": _csv, ".parquet": _parquet}[path.suffix](file, rows, names)


def _npz(file: IO[bytes], z: np.ndarray, ids: np.ndarray) -> None:
    np.savez(file, ids=ids, z=z)


def _csv(file: IO[bytes], z: np.ndarray, ids: np.ndarray) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", *_columns(z)])
    for start in range(0, len(z), AT_A_TIME):
        block = slice(start, start + AT_A_TIME)
        for name, row in zip(ids[block].tolist(), z[block].tolist(), strict=True):
            writer.writerow([name, *(f"{value:.9g}" for value in row)])  # float32 comes back
    text.flush()
    text.detach()


def _parquet(file: IO[bytes], z: np.ndarray, ids: np.ndarray) -> None:
    pyarrow, parquet = _pyarrow()
    columns = dict(zip(_columns(z), z.T, strict=True))
    parquet.write_table(pyarrow.table({"id": ids, **columns}), file)


def _columns(z: np.ndarray) -> list[str]:
    return [f"z{i}" for i in range(z.shape[1])]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            ".parquet needs pyarrow; install the extra: pip install 'pyg-gcl[parquet]', or write "
            ".csv or .npz."
        ) from None
    return pyarrow, pyarrow.parquet


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside the other, which takes its place once it is whole."""
    sweep(path, STALE)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
