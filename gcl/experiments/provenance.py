"""Where a number comes from: commit and machine."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

import torch


def provenance() -> dict[str, str]:
    """Command, commit and machine, to stand beside every number."""
    return {
        "commit": commit(),
        "machine": f"{_cpu_name()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


@cache
def commit() -> str:
    """The commit of the code, asked for once: what a process has loaded stays as it is.

    Results that it writes into its own checkout do not make its code another one.
    """
    try:
        here = Path(__file__).parent
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
