"""One file that holds a training run: tensors in safetensors, the rest as JSON in its header.

A single file replaced in one step is either the old run or the new one, never half of each. Loading
executes nothing: no pickle is involved.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

TRIES = 100  # to make a folder whose parents others take away
STALE = 600.0
_FORMAT = "gcl-checkpoint-1"

MISFIT = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What code raises that is given values of another form than it expects."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not belong to this training run."""


def save(tree: Any, path: str | os.PathLike[str]) -> None:
    """Write nested dicts, lists, tuples, numbers, strings and tensors to one file, atomically.

    Args:
        tree: what to save.
        path: the file; its folder is made if missing. An old file stays whole until the new one is
            on the disk.

    Raises:
        TypeError: something in the tree is of another type.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
        >>> save({"epoch": 3, "w": torch.ones(2)}, path)
        >>> load(path)
        {'epoch': 3, 'w': tensor([1., 1.])}
    """
    tensors: dict[str, Tensor] = {}
    encoded = json.dumps(_encode(tree, "", tensors))
    metadata = {"format": _FORMAT, "tree": encoded, "sha256": _digest(encoded, tensors)}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def load(path: str | os.PathLike[str]) -> Any:
    """Read back what `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint at {path}.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except Exception as error:  # a header can announce tensors that torch cannot make
        raise CheckpointError(f"{path} is not a readable checkpoint ({error}).") from None
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of gcl.")
    try:
        whole = metadata["sha256"] == _digest(metadata["tree"], tensors)
        if whole:
            return _decode(json.loads(metadata["tree"]), tensors)
    except MISFIT as error:
        raise CheckpointError(
            f"{path} is no checkpoint: its content is not of the form that gcl writes ({error})."
        ) from None
    raise CheckpointError(f"{path} is damaged: its content does not match its checksum.")


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace a file in one step: temporary file beside it, fsync, rename, fsync of the folder.

    Temporary files that killed writers of the same file have left are taken away once they are
    `STALE` seconds old: no write takes that long.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path, STALE)
        # Not by the process: containers that share a volume count theirs alike.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(NotADirectoryError):  # a file where the folder should be
                temporary.unlink(missing_ok=True)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says of a failure what could not be written, and why.

    Raises:
        OSError: of the same kind, and with the same number.

    Example:
        >>> with writing("there/z.csv"):
        ...     raise PermissionError(13, "Permission denied")
        Traceback (most recent call last):
        ...
        PermissionError: there/z.csv cannot be written: Permission denied; give another place.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        # What lacks is often a folder above, which the system alone names.
        other = error.filename if error.filename not in (None, str(path)) else None
        above = f" ({other})" if other and str(path).startswith(str(other)) else ""
        told = type(error)(
            f"{path} cannot be written: {error.strerror}{above}; give another place."
        )
        told.errno = error.errno
        raise told from None


def make_folder(path: str | os.PathLike[str]) -> None:
    """A folder with those above it, if they are not there.

    Raises:
        OSError: it cannot be made, see `writing`.
    """
    with writing(path):
        for attempt in range(TRIES):
            try:
                Path(path).mkdir(parents=True, exist_ok=True)
                break
            except FileNotFoundError:
                # Another program took an empty folder above away, between its making and this.
                if attempt == TRIES - 1:
                    raise


def sweep(path: str | os.PathLike[str], older: float = 0.0) -> None:
    """Take away the temporary files that killed writers have left.

    Args:
        path: the file that was written, or a folder for all files in it.
        older: seconds since their last change; 0 where no other program can be writing.
    """
    path = Path(path)
    folder, name = (path, "*") if path.is_dir() else (path.parent, glob.escape(path.name))
    for left in folder.glob(f".{name}.{'?' * 16}.tmp"):
        with contextlib.suppress(OSError):  # another program may have been faster
            if time.time() - left.stat().st_mtime >= older:
                left.unlink()


def random_state() -> dict[str, Any]:
    """The state of every global generator: torch (CPU and CUDA), NumPy, Python."""
    numpy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    _, keys, position, has_gauss, cached = numpy
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set every global generator to what `random_state` returned.

    Raises:
        CheckpointError: it is not of that form.
    """
    try:
        _set_random_state(state)
    except MISFIT as error:
        raise CheckpointError(
            f"The state of the random generators in the checkpoint is none ({error})."
        ) from None


def _set_random_state(state: dict[str, Any]) -> None:
    keys, position, has_gauss, cached = state["numpy"]
    # NumPy believes the position, and would read beyond its keys.
    if keys.shape != (624,) or not 0 <= position <= 624 or has_gauss not in (0, 1):
        raise ValueError("NumPy's has other sizes")
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, position, has_gauss, cached))  # noqa: NPY002
    random.setstate(state["python"])


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": path}
    if isinstance(value, dict):
        # Pairs, because JSON would turn the integer keys of optimizer states into strings.
        pairs = [[key, _encode(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"A checkpoint holds tensors, numbers, strings, lists and dicts; {path or '/'} is a "
        f"{type(value).__name__}."
    )


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "tensor":
            return tensors[content]
        if kind == "tuple":
            return tuple(_decode(item, tensors) for item in content)
        if kind == "dict":
            return {key: _decode(item, tensors) for key, item in content}
        raise ValueError(f"there is no kind {kind!r}")
    return value


def _digest(encoded: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(encoded.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
