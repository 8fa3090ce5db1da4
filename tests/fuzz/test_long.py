"""The same suite with new seeds for an hour, or `GCL_FUZZ_SECONDS`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.slow
def test_an_hour_of_seeds():
    end = time.monotonic() + float(os.environ.get("GCL_FUZZ_SECONDS", "3600"))
    seed = int(time.time())
    while time.monotonic() < end:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                   f"--hypothesis-seed={seed}", str(Path(__file__).parent)]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "GCL_FUZZ": "long"},
            cwd=Path(__file__).parents[2],
        )
        assert done.returncode == 0, f"GCL_FUZZ=long --hypothesis-seed={seed}: {done.stdout}"
        seed += 1
