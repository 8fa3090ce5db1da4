"""The rivals of benchmarks/speed/steps.py, and that every script there starts."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gcl

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture
def plain_methods(monkeypatch):
    monkeypatch.syspath_prepend(str(SPEED))
    return importlib.import_module("plain_methods")


@pytest.mark.parametrize("name", ["DGI", "BGRL", "Barlow", "GraphCL", "VICReg"])
def test_every_rival_steps_beside_ours(name, plain_methods):
    data = gcl.datasets.sbm(60, 3, num_features=8)
    assert name in plain_methods.NAMES
    steps = plain_methods.rivals(name, data)
    assert {"gcl", "pyg"} <= set(steps)
    for step in steps.values():
        step()


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(SPEED.glob("*.py")), ids=lambda path: path.name)
def test_every_script_starts(script):
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
