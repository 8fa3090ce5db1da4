"""Files and folders that one program at a time may change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FIRST = 1.0  # seconds, before a wait is told


@contextmanager
def locked(file: Path, *, patience: float = 60.0, otherwise: str = "") -> Iterator[None]:
    """Hold a lock file; the system gives it back when the process ends, however it ends.

    Args:
        file: the lock file; its folder is there.
        patience: seconds to wait for another holder, >= 0; a wait of more than a second is told
            on standard error.
        otherwise: what to say where it is still held.

    Raises:
        ValueError: it is still held, or cannot be made there.
    """
    lock = FileLock(file)
    try:
        try:
            lock.acquire(timeout=min(patience, FIRST))
        except Timeout:
            if not file.exists():
                raise ValueError(f"Cannot make {file}; give another place.") from None
            if patience > FIRST:
                print(f"gcl: waiting for {file}, which another program holds", file=sys.stderr)
                lock.acquire(timeout=patience - FIRST)
            else:
                raise
    except Timeout:
        reason = otherwise or f"Another program has held it for {patience:g} seconds."
        raise ValueError(f"{file} is locked. {reason}") from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise  # told by its own words
        raise ValueError(f"{file} cannot be locked ({error}); give another place.") from None
    try:
        yield
    finally:
        lock.release()
