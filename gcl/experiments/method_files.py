"""The files of a saved method, replaced in one step: `config.json` is it, and names its weights.

New weights lie beside the old ones, under their checksum, until the configuration names them; then
they take the old ones' place. So a kill leaves the old method or the new one, and a reader beside a
writer finds one of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gcl.checkpoint import STALE, CheckpointError, make_folder, sweep, write_atomically, writing
from gcl.experiments.rebuilding import CONFIG, WEIGHTS, read_config, read_weights

CARD = "README.md"
BESIDE = "embedder.json"  # of the weights that it was written with, and of no others
TRIES = 50  # of a reader, while others keep writing


def write_method(folder: Path, weights: bytes, config: Mapping[str, Any], card: str) -> str:
    """Put a method in the place of the one that a folder holds, if any.

    Args:
        folder: made if missing.
        weights: of safetensors.
        config: without their checksum.
        card: the page on it.

    Returns:
        The checksum.

    Raises:
        OSError: the folder cannot be written.
    """
    digest = hashlib.sha256(weights).hexdigest()
    make_folder(folder)
    with _alone(folder):
        _settle(folder)
        if (folder / CONFIG).exists():
            (folder / BESIDE).unlink(missing_ok=True)
        try:
            with writing(folder / WEIGHTS), open(_waiting(folder, digest), "wb") as file:
                file.write(weights)
                file.flush()
                os.fsync(file.fileno())
            told = json.dumps({**config, "sha256": digest}, indent=2) + "\n"
            write_atomically(folder / CONFIG, told.encode())
        finally:
            _settle(folder)
        write_atomically(folder / CARD, card.encode())
    return digest


def read_method(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights that belong together, also while another program writes them.

    Raises:
        FileNotFoundError: one of them is missing.
        CheckpointError: one of them is damaged, or they are not of one method.
    """
    seen = None
    for _ in range(TRIES):
        written = _written(folder / CONFIG)
        config = read_config(folder / CONFIG)
        digest = config["sha256"]
        try:
            return config, read_weights(folder / WEIGHTS, digest)
        except (FileNotFoundError, CheckpointError) as error:
            told = error
        if re.fullmatch("[0-9a-f]{64}", digest):
            with contextlib.suppress(FileNotFoundError, CheckpointError):
                return config, read_weights(_waiting(folder, digest), digest)
        # During one look weights may have moved; what two looks find in one configuration is so.
        if written == _written(folder / CONFIG) == seen:
            break
        seen = written
    raise told


def _written(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_ino, about.st_mtime_ns


def _waiting(folder: Path, digest: str) -> Path:
    return folder / f".model-{digest}.safetensors"


def _settle(folder: Path) -> None:
    """Weights that the configuration names take their place; others that wait are taken away."""
    named = None
    with contextlib.suppress(OSError, CheckpointError):
        named = read_config(folder / CONFIG)["sha256"]
    for path in folder.glob(".model-*.safetensors"):
        if path == _waiting(folder, str(named)):
            os.replace(path, folder / WEIGHTS)
        else:
            path.unlink(missing_ok=True)
    sweep(folder, STALE)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder itself, which leaves no file in it."""
    if os.name != "posix":
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system that has no locks
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
