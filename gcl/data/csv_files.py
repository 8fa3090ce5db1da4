"""CSV files as DataFrames of pandas: how they are packed, written, separated and headed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gcl.data.naming import counts_rows, id_names, is_index, is_no_id, is_unnamed

_HEAD = 4096  # bytes by which a file is known
_PACKED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_NO_TEXT = (b"PK\x03\x04", b"PAR1")  # of zip and Excel, of Parquet


def read_csv(where: str, path: Path, ids: Sequence[str | None]) -> Any:
    """A DataFrame; the columns that name nodes hold text, as it is written there.

    Columns are separated by what the first line has most of outside of quotes: commas, semicolons
    or tabs. Text is UTF-8, or UTF-16 with its mark; gzip, bz2 and xz are unpacked.

    Raises:
        FileNotFoundError: no file.
        ImportError: no pandas.
        ValueError: no such text, or a first line that does not name each column once.
    """
    if not path.is_file():
        told = ", which is a folder" if path.is_dir() else ""
        raise FileNotFoundError(f"{where}: there is no file {path}{told}.")
    if find_spec("pandas") is None:
        raise ImportError(
            f"{where}: reading CSV files needs pandas; pip install 'pyg-gcl[data]', or give a dict "
            "of columns."
        )
    import pandas as pd

    names: list[str] = []
    mark = _separator(where, path)
    try:
        with _opened(where, path) as file:
            first = pd.read_csv(file, nrows=1, header=None, sep=mark, dtype=str, na_filter=False)
        names = _column_names(where, path, first.iloc[0].tolist())
        with warnings.catch_warnings():
            # Of rows longer than the header pandas says so, and shifts or cuts them.
            warnings.simplefilter("error", pd.errors.ParserWarning)

            def read(**options: Any) -> Any:
                with _opened(where, path) as file:
                    # In one piece, for numbers and words of a column would else be told by parts.
                    # Told the names, pandas would cut longer rows without a word.
                    return pd.read_csv(file, sep=mark, index_col=False, low_memory=False, **options)

            row = read(nrows=1, dtype=str, na_filter=False)
            dates = [
                n
                for n, v in zip(names, row.iloc[0] if len(row) else (), strict=False)
                if is_no_id(v.strip())
            ]
            counts = is_unnamed(names[0]) and counts_rows(
                read(usecols=[0], dtype=str, na_filter=False).iloc[:, 0].to_numpy()
            )
            # As they are written: a node may be called "007" or "NA".
            named = id_names(names[is_index(where, names, ids, counts) :], ids, dates)
            frame = read(
                converters={names.index(name): str.strip for name in named if name in names}
            )
            frame.columns = names
    except pd.errors.ParserWarning:
        raise ValueError(
            f"{where}: {path} has rows with more values than the {len(names)} names in its first "
            f"line ({', '.join(names)}); name every column there."
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: {path} is not written in UTF-8 (byte {error.object[error.start]:#x} is "
            f"none of it); read it by its encoding, such as pandas.read_csv({str(path)!r}, "
            f"{_told(mark)}encoding='latin-1'), and give that DataFrame."
        ) from None
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"{where}: {path} is empty; its first line must name the columns."
        ) from None
    except pd.errors.ParserError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{where}: {path} is no table of commas: {said}.") from None
    empty = [n for n in names if is_unnamed(n) and frame[n].isna().all()]
    frame = frame.drop(columns=empty if len(frame) else [])  # of lines that end by the mark
    return frame


def without_header(path: Any, names: Sequence[str]) -> str:
    """How a file is read whose first line is a row."""
    mark = ""
    if path is not None:
        mark = _told(_separator("", Path(path)))
    shown = "path" if path is None else repr(str(path))
    return f"pandas.read_csv({shown}, {mark}header=None, names={list(names)})"


def _told(mark: str) -> str:
    return "" if mark == "," else f"sep={mark!r}, "


def _separator(where: str, path: Path) -> str:
    with _opened(where, path, errors="replace") as file:
        line = next((line for line in file if line.strip()), "")
    return max(",;\t", key=re.sub(r'"[^"]*"', "", line).count)


def _column_names(where: str, path: Path, first: Sequence[str]) -> list[str]:
    names = [name.strip() or f"Unnamed: {i}" for i, name in enumerate(first)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{where}: several columns are called {twice[0]!r} in the first line of {path}; rename "
            "them, or where that line is a row, name them by "
            f"{without_header(path, [f'column{i}' for i in range(len(names))])}, and give that "
            "DataFrame."
        )
    return names


@contextmanager
def _opened(where: str, path: Path, errors: str = "strict") -> Any:
    """The text of a file.

    Raises:
        ValueError: it is none, or a packed one was cut.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    packed = next((unpack for mark, unpack in _PACKED.items() if head.startswith(mark)), None)
    try:
        with (packed or open)(path, "rb") as file:
            head = file.read(_HEAD)
            wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
            if head.startswith(_NO_TEXT) or (b"\0" in head and not wide):
                raise ValueError(
                    f"{where}: {path} is no text file; read it by pandas.read_excel, read_parquet "
                    "or read_csv(path, encoding='utf-16'), whichever it is, and give the DataFrame."
                )
            file.seek(0)
            with io.TextIOWrapper(
                file, "utf-16" if wide else "utf-8-sig", errors, newline=""
            ) as text:
                yield text
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{where}: {path} cannot be unpacked: {error}.") from None
