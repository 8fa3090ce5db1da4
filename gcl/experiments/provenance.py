"""Where a number comes from: commit and machine."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

import torch

WRITTEN = (":(exclude,top)benchmarks/results", ":(exclude,top)docs")


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

    It ends in `-dirty` where a file differs from it. Results and pages that were written into the
    checkout do not make its code another one.
    """
    try:
        changed = _git("diff", "--name-only", "HEAD", "--", ":/", *WRITTEN)
        return _git("describe", "--always") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
