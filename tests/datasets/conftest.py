from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gcl.datasets import DATASETS


@pytest.fixture
def published() -> Callable[[str], Path]:
    """Name -> the root below which its published files lie; skips where they are not."""

    def find(name: str) -> Path:
        root = os.environ.get("GCL_DATA")
        if not root:
            pytest.skip("GCL_DATA is not set")
        source = DATASETS[name]
        if not all((Path(root) / source.folder / file).is_file() for file in source.files):
            pytest.skip(f"GCL_DATA holds no {name}")
        return Path(root)

    return find


@pytest.fixture
def global_state_kept():
    """Fails if the test draws from a global generator."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
