"""What becomes of freed memory: the allocator of the process, told to keep it."""

from __future__ import annotations

import ctypes
import os
import sys

# Options of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
NEVER, MIB = -1, 1 << 20


def keep_freed_memory() -> bool:
    """Let the process keep the memory of freed arrays for the next ones; says whether it does.

    By default glibc, the C library of most Linux systems, returns every large array to the system
    when it is freed, and the system clears its pages when they come back, which shows in
    the CPU time of a training step on 20,000 nodes. The price is memory: holes between arrays stay
    taken, and nothing is given back before the process ends.

    `gcl train` and `gcl bench` call it first; importing the package does not. Call it before the
    first large array, where the process is yours. It does nothing, and gives False,

    - where GCL_MALLOC=system is set,
    - where the allocator was set by glibc's own variables (`MALLOC_..._`, `GLIBC_TUNABLES`),
    - without glibc (macOS, Windows, musl).

    Raises:
        ValueError: GCL_MALLOC is set to something else than "system".

    Example:
        >>> keep_freed_memory()  # doctest: +SKIP
        True
    """
    asked = os.environ.get("GCL_MALLOC", "")
    if asked not in ("", "system"):
        raise ValueError(
            f"GCL_MALLOC must be 'system', which leaves glibc's allocator as it is, or unset, got "
            f"{asked!r}."
        )
    if asked or _set_by_user() or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    options = {M_MMAP_THRESHOLD: 1024 * MIB, M_TRIM_THRESHOLD: NEVER, M_TOP_PAD: 64 * MIB}
    taken = [library.mallopt(option, value) for option, value in options.items()]
    return all(taken)


def _set_by_user() -> bool:
    theirs = [name for name in os.environ if name.startswith("MALLOC_") and name.endswith("_")]
    return bool(theirs) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
