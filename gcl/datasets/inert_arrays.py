"""Arrays of NumPy's files, read without believing the sizes that a file announces.

NumPy reserves what a header asks for before it looks at what is there, and SciPy makes a matrix
dense in the shape that it is told. Here shapes are compared with the bytes first.
"""

from __future__ import annotations

import ast
import io
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

KINDS = "biufS"  # of arrays: numbers and bytes, nothing that holds a reference
MOST_BYTES = 1 << 30  # of an unpacked archive
CELLS_A_NUMBER = 4096  # of a dense matrix; the sparsest of the published ones has 640
FEW_CELLS = 1 << 20  # which are never refused
_LONGEST_HEADER = 10_000
_DEFLATE = 1032  # at most so many bytes out of one


def read_array(path: Path) -> np.ndarray:
    """The array of an `.npy` file.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is none, holds objects, or announces another size than it has.
    """
    return _array(path.read_bytes())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name.

    Raises:
        OSError: the file cannot be opened.
        ValueError: as `read_array`; the archive is broken or unpacks to more than `MOST_BYTES`.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > min(MOST_BYTES, _DEFLATE * len(content)):
                raise ValueError(f"it unpacks to {total} bytes")
            if any(
                m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members
            ):
                raise ValueError("it is packed in a way that NumPy does not know")
            found = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                try:
                    found[name] = _array(archive.read(member))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
            return found
    except Exception as error:  # a broken archive can raise nearly anything
        raise ValueError(str(error) or type(error).__name__) from error


def check_cells(shape: tuple[int, ...], numbers: int) -> None:
    """Raises ValueError for a matrix that would be absurdly large for what a file holds of it.

    Args:
        shape: what would be reserved.
        numbers: how many numbers the file holds for it.
    """
    cells = math.prod(shape)
    if cells > max(FEW_CELLS, CELLS_A_NUMBER * numbers):
        raise ValueError(f"a matrix of shape {shape}, of which it holds {numbers} numbers")


def check_csr(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """The parts of a matrix by rows: numbers, columns and starts of rows as int64, and its shape.

    Raises:
        ValueError: they do not fit each other, or the matrix would be too large.
    """
    rows, columns = check_shape(shape)
    lists = all(part.ndim == 1 for part in (data, indices, indptr))
    whole = indices.dtype.kind in "iu" and indptr.dtype.kind in "iu"
    if not lists or not whole or data.dtype.kind not in "biuf":
        raise ValueError("a sparse matrix whose arrays are no lists of numbers")
    # Checked here: SciPy writes to where indices point.
    cols, starts = indices.astype(np.int64), indptr.astype(np.int64)
    fits = len(starts) == rows + 1 and starts[0] == 0 and bool((np.diff(starts) >= 0).all())
    if not fits or not starts[-1] == len(cols) == len(data):
        raise ValueError("a sparse matrix whose rows do not fit its entries")
    if len(cols) and not 0 <= cols.min() <= cols.max() < columns:
        raise ValueError("a sparse matrix with an entry outside its columns")
    check_cells((rows, columns), len(data) + rows)
    return data, cols, starts, (rows, columns)


def check_shape(shape: Any) -> tuple[int, int]:
    """Two whole numbers, of a tuple or an array.

    Raises:
        ValueError: they are none.
    """
    sizes = shape.tolist() if isinstance(shape, np.ndarray) else shape
    sizes = tuple(sizes) if isinstance(sizes, list) else sizes
    plain = isinstance(sizes, tuple) and all(type(n) is int and 0 <= n < 1 << 40 for n in sizes)
    if not plain or len(sizes) != 2:
        raise ValueError(f"a sparse matrix of shape {sizes}")
    return sizes[0], sizes[1]


def whole_numbers(array: np.ndarray) -> np.ndarray:
    """The same numbers as int64; some files store whole numbers as floats.

    Raises:
        ValueError: there are fractions among them, or no numbers.
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds no numbers but {array.dtype}")
    if array.dtype.kind == "f" and not bool((np.abs(array) < 2**53).all()):  # nor NaN
        raise ValueError("it holds numbers that are not finite, or too large")
    if array.dtype.kind == "u" and bool((array >= 2**63).any()):
        raise ValueError("it holds numbers that are too large")
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise ValueError("it holds fractions")
    return whole


def _array(content: bytes) -> np.ndarray:
    if content[:6] != b"\x93NUMPY" or len(content) < 12 or content[6] not in (1, 2, 3):
        raise ValueError("no array of NumPy")
    start = 10 if content[6] == 1 else 12
    length = int.from_bytes(content[8:start], "little")
    if length > min(_LONGEST_HEADER, len(content) - start):
        raise ValueError(f"an array with a header of {length} bytes")
    kind, fortran, shape = _header(content[start : start + length])
    body = memoryview(content)[start + length :]
    if math.prod(shape) * kind.itemsize != len(body):
        raise ValueError(f"an array of shape {shape} that has {len(body)} bytes")
    flat = np.frombuffer(body, kind)
    return flat.reshape(shape, order="F" if fortran else "C").astype(kind.newbyteorder("="))


def _header(text: bytes) -> tuple[np.dtype, bool, tuple[int, ...]]:
    try:
        told = ast.literal_eval(text.decode("latin1").strip())
    except Exception as error:  # a parser that reads anything can raise anything
        raise ValueError("an array whose header is none") from error
    if not isinstance(told, dict) or set(told) != {"descr", "fortran_order", "shape"}:
        raise ValueError("an array whose header is none")
    spec, shape = told["descr"], told["shape"]
    if not isinstance(spec, str) or not re.fullmatch(f"[<>|=]?[{KINDS}][0-9]{{1,7}}", spec):
        raise ValueError(f"an array of {str(spec)[:40]!r}, which is neither numbers nor bytes")
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape):
        raise ValueError("an array whose shape is none")
    try:
        return np.dtype(spec), bool(told["fortran_order"]), shape
    except TypeError as error:
        raise ValueError(f"an array of {spec!r}, which NumPy does not know") from error
