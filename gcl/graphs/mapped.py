"""Arrays in `.npy` files that are mapped into memory: read where they are used, and no earlier."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl.checkpoint import make_folder, writing

_STALE = 86_400.0  # seconds after which a folder that nobody finished is taken away


def map_file(owner: str, path: Path) -> Tensor:
    """The array of a `.npy` file as a tensor: its pages are read when they are needed.

    What is written to the tensor stays in memory, and the file as it is.

    Raises:
        ValueError: a damaged file, or one of something else; numbers that torch does not know.
    """
    try:
        return torch.from_numpy(np.lib.format.open_memmap(path, mode="c"))
    except Exception as error:  # a header can announce arrays that nobody can make
        raise ValueError(
            f"{owner}: {path} holds no array of numbers that can be mapped ({error}); write it "
            "anew by numpy.save or numpy.lib.format.open_memmap."
        ) from None


def new_file(path: Path, dtype: Any, shape: Sequence[int]) -> np.ndarray:
    """A new `.npy` file as an array to be written to, a block at a time."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which gets its name once the block ends well, and is gone otherwise.

    What killed writers of the same folder left a day ago is taken away.

    Raises:
        FileExistsError: there is something of this name.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already.")
    make_folder(folder.parent)
    for left in folder.parent.glob(f".{folder.name}.{'?' * 16}.tmp"):
        if left.is_dir() and time.time() - left.stat().st_mtime >= _STALE:
            shutil.rmtree(left, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    with writing(folder):
        temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
