"""One judge of every case: what a call may do, and what is a finding.

A call may give a finite result, or raise one sentence of ours: a `TypeError`, `ValueError`,
`NonFiniteLossError` or `FileNotFoundError` that the package itself raised. It may warn in words
of ours. It may not touch its inputs, and not go on for ever.
"""

from __future__ import annotations

import inspect
import math
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import InMemoryDataset
from torch_geometric.data.data import BaseData

import gcl
from gcl.training.state import NonFiniteLossError

ROOT = str(Path(gcl.__file__).parent)
REFUSALS = (TypeError, ValueError, NonFiniteLossError, FileNotFoundError)
CALLS: Counter[str] = Counter()
# Of the processor, so that a busy machine hangs nobody; and of the clock, for what only waits.
BUSY, WAITING = 10.0, 120.0


class Refused:
    """The call raised one sentence of ours."""

    def __init__(self, error: Exception):
        self.error = error


def judge(call: Callable[[], Any], *inputs: Any, finite: bool = True) -> Any:
    """What the call gives, or `Refused`.

    Args:
        call: takes no arguments.
        inputs: what must be the same afterwards.
        finite: whether NaN and infinity in what comes back are findings.

    Raises:
        AssertionError: a finding.
    """
    before = [photograph(value) for value in inputs]
    torch.manual_seed(0)
    try:
        with in_time(), words_of_ours():
            result = call()
    except REFUSALS as error:
        require_sentence(error)
        result = Refused(error)
    CALLS["refused" if isinstance(result, Refused) else "answered"] += 1
    for number, (value, photo) in enumerate(zip(inputs, before, strict=True)):
        assert photograph(value) == photo, f"input {number} was changed"
    if finite and not isinstance(result, Refused):
        require_finite(result)
    return result


def require_sentence(error: Exception) -> None:
    """One line, raised by a file of the package."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error)
    at = f"{type(error).__name__} of {last.filename}:{last.lineno}: {text}"
    if not last.filename.startswith(ROOT):
        raise AssertionError(f"no sentence of ours: {at}") from error
    if not text or "\n" in text or not text.rstrip().endswith("."):
        raise AssertionError(f"not one sentence: {at}") from error


def require_finite(value: Any, where: str = "the result") -> None:
    """No NaN and no infinity in any tensor, array or number within."""
    if isinstance(value, BaseData):
        for store in value.stores:
            for name, part in store.items():
                require_finite(part, f"{where}.{name}")
    elif isinstance(value, Tensor):
        if value.layout != torch.strided:
            value = value.to_sparse_coo().coalesce().values()
        if value.is_floating_point():
            assert bool(value.isfinite().all()), f"{where} is not finite: {value}"
    elif sp.issparse(value):
        require_finite(value.data, where)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            assert np.isfinite(value).all(), f"{where} is not finite: {value}"
    elif isinstance(value, float | np.floating):
        assert math.isfinite(value), f"{where} is {value}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            require_finite(part, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for part in value:
            require_finite(part, where)


def photograph(value: Any) -> Any:
    """Something that compares equal as long as the value is untouched, bit for bit."""
    if isinstance(value, BaseData):
        return [type(value), [(str(s._key), photograph(dict(s))) for s in value.stores]]
    if isinstance(value, InMemoryDataset):
        return [photograph(value._data), photograph(value.slices)]
    if isinstance(value, Tensor):
        return [id(value), value._version, str(value.dtype), value.layout, *_bytes_of(value)]
    if isinstance(value, np.ndarray):
        return [id(value), str(value.dtype), value.shape, value.tobytes()]
    if sp.issparse(value):
        return [id(value), value.shape, photograph(value.tocoo().toarray())[1:]]
    if isinstance(value, torch.nn.Module):
        return photograph([*value.named_parameters(), *value.named_buffers()])
    if isinstance(value, Mapping):
        return [(key, photograph(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [photograph(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return photograph(vars(value))
    return repr(value)


def _bytes_of(value: Tensor) -> tuple[Any, ...]:
    value = value.detach()
    if value.layout == torch.sparse_csr:
        parts = value.crow_indices(), value.col_indices(), value.values()
    elif value.layout == torch.sparse_coo:
        parts = value._indices(), value._values()
    else:
        parts = (value,)
    shapes = [tuple(part.shape) for part in parts]
    half = torch.bfloat16  # numpy has none
    raw = [(p.view(torch.int16) if p.dtype == half else p).numpy().tobytes() for p in parts]
    return (tuple(value.shape), shapes, raw)


@contextmanager
def in_time() -> Iterator[None]:
    """A case ends by itself."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it hangs: still at it after {BUSY:g} s of work")

    kinds = (
        (signal.SIGPROF, signal.ITIMER_PROF, BUSY),
        (signal.SIGALRM, signal.ITIMER_REAL, WAITING),
    )
    old = [signal.signal(number, stop) for number, _, _ in kinds]
    try:
        for _, timer, seconds in kinds:
            signal.setitimer(timer, seconds)
        yield
    finally:
        for (number, timer, _), handler in zip(kinds, old, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


@contextmanager
def words_of_ours() -> Iterator[None]:
    """Warnings of the package pass, those of others are errors."""
    warn = warnings.warn

    def heard(message: Any, *args: Any, **options: Any) -> None:
        caller = inspect.currentframe().f_back.f_code.co_filename
        if not caller.startswith(ROOT):
            warn(message, *args, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*torch.jit.script.* is deprecated")
        # PyG on Python 3.13, as in pyproject.toml.
        warnings.filterwarnings("ignore", "Failing to pass a value to the 'type_params' parameter")
        with mock.patch.object(warnings, "warn", heard):
            yield
