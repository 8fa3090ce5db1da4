"""Pickles of arrays, read without building any object that the file asks for.

A pickle is a program. Names that it calls are answered by stand-ins that write down what they are
given: no class of NumPy or SciPy is ever told a file's dtype, shape or buffer by the pickle itself.
Arrays are made afterwards, of plain numbers, once lengths and shapes agree.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from gcl.datasets.inert_arrays import KINDS, check_csr

MOST_CELLS = 1 << 28  # of a dense matrix, 1 GB in float32


def read_inert(path: Path) -> Any:
    """Lists, dicts, numbers, texts and arrays of a pickle file; arrays as `InertArray`, `InertCSR`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no pickle, or asks for anything else.
    """
    content = path.read_bytes()
    try:
        # Python 2 wrote the files: latin1 keeps the bytes of its arrays.
        return _Reader(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a broken pickle can raise nearly anything
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ValueError(reason) from error


def as_matrix(found: Any) -> np.ndarray:
    """A dense matrix of what `read_inert` found.

    Raises:
        ValueError: it is none, or one whose parts disagree, or larger than `MOST_CELLS`.
    """
    if isinstance(found, InertCSR):
        return found.dense()
    if isinstance(found, InertArray):
        array = found.array()
        if array.ndim == 2:
            return array
    raise ValueError("it holds no matrix")


class InertDtype:
    """What a pickle says of a dtype."""

    def __init__(self, spec: Any = None, *_: Any):
        self.spec, self.order = spec, "="

    def __setstate__(self, state: Any) -> None:
        fits = isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "=", "|")
        # A structured dtype has names and fields, a shaped one a base.
        if not fits or any(part is not None for part in state[2:5]):
            raise ValueError("it asks for a dtype of several parts")
        self.order = state[1]

    def dtype(self) -> np.dtype:
        if not isinstance(self.spec, str) or self.spec[:1] not in KINDS or len(self.spec) > 8:
            raise ValueError(f"it asks for an array of dtype {str(self.spec)[:20]!r}")
        order: Any = "=" if self.order == "|" else self.order
        return np.dtype(self.spec).newbyteorder(order)


class InertArray:
    """What a pickle says of an array."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The array, made of a copy of the bytes.

        Raises:
            ValueError: dtype, shape and bytes do not fit each other.
        """
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise ValueError("an array without its parts")
        _, shape, dtype, fortran, content = self.state
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(dtype, InertDtype) or not isinstance(content, bytes):
            raise ValueError("an array without a dtype, or without its bytes")
        kind, shape = dtype.dtype(), _shape(shape)
        if math.prod(shape) * kind.itemsize != len(content):
            raise ValueError(f"an array of shape {shape} that has {len(content)} bytes")
        flat = np.frombuffer(content, kind)
        return flat.reshape(shape, order="F" if fortran else "C").astype(kind.newbyteorder("="))


class InertCSR:
    """What a pickle says of a sparse matrix by rows."""

    state: Any = None

    def __new__(cls, *_: Any) -> InertCSR:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def dense(self) -> np.ndarray:
        """The dense matrix.

        Raises:
            ValueError: rows, columns and entries do not fit each other, or it would be too large.
        """
        if not isinstance(self.state, dict):
            raise ValueError("a sparse matrix without its parts")
        names = ("data", "indices", "indptr")
        parts = [self.state.get(name) for name in names]
        if not all(isinstance(part, InertArray) for part in parts):
            raise ValueError("a sparse matrix without its arrays")
        data, indices, indptr = (part.array() for part in parts)  # type: ignore[union-attr]
        data, cols, starts, shape = check_csr(data, indices, indptr, self.state.get("_shape"))
        if math.prod(shape) > MOST_CELLS:
            raise ValueError(f"a sparse matrix of shape {shape}")
        rows = np.repeat(np.arange(shape[0]), np.diff(starts))
        dense = np.zeros(shape, data.dtype)
        np.add.at(dense, (rows, cols), data)
        return dense


def _shape(shape: Any) -> tuple[int, ...]:
    plain = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
    if not plain:
        raise ValueError("a shape that is none")
    return tuple(shape)


def _new_array(*_: Any) -> InertArray:
    return InertArray()


def _new_dict(*_: Any) -> dict[Any, Any]:
    return {}


class _Nothing:
    """A name that is only ever passed on."""


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Nothing,
    ("numpy", "dtype"): InertDtype,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("scipy.sparse.csr", "csr_matrix"): InertCSR,
    ("scipy.sparse._csr", "csr_matrix"): InertCSR,
    ("collections", "defaultdict"): _new_dict,
    ("__builtin__", "list"): _Nothing,
    ("builtins", "list"): _Nothing,
}


# Python's own, not C's: that one reserves memory for any number of things a file announces.
class _Reader(pickle._Unpickler):
    """A pickle reader that knows stand-ins for a few names and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _STAND_INS[module, name]

    def get_extension(self, code: int) -> Any:
        raise pickle.UnpicklingError("it asks for a registered extension, which is refused")
