"""How much memory a call needs."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

STATM = Path("/proc/self/statm")


def peak_extra_mb(call: Callable[[], Any], device: str = "cpu", *, every: float = 0.001) -> float:
    """Memory that a call needs at its peak beyond what was there before, in MB (1e6 bytes).

    On CPU the resident set of the process is sampled, after freed memory was handed back, so what
    other threads take at the same time counts too; on CUDA torch's own count of the device.

    Args:
        call: what to run; its result is dropped.
        device: "cpu" or "cuda".
        every: seconds between two samples.

    Returns NaN on a CPU whose system does not tell (it has no /proc/self/statm).

    Example:
        >>> peak_extra_mb(lambda: torch.ones(10_000_000)) > 30  # doctest: +SKIP
        True
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    if not STATM.is_file():
        call()
        return math.nan
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # of glibc
        trim(0)
    before, peak, done = _resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, _resident())
            time.sleep(every)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        call()
        peak = max(peak, _resident())
    finally:
        done.set()
        watcher.join()
    return (peak - before) / 1e6


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
