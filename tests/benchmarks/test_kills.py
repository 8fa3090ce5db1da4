"""The script that kills ranks: it tells a training that went on from one that did not."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scale" / "kills.py"


@pytest.fixture(scope="module")
def kills():
    spec = importlib.util.spec_from_file_location("kills", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_the_clock_may_differ(kills):
    tree = {"w": torch.ones(2), "history": [{"loss": 1.0, "seconds": 2.0}], "step": (3, None)}
    later = tree | {"history": [{"loss": 1.0, "seconds": 9.0}]}
    assert kills.equal(tree, later)
    for other in (
        {"w": torch.ones(2).double()},
        {"w": torch.tensor([1.0, 1.0 + 2**-20])},
        {"history": [{"loss": 1.5, "seconds": 2.0}]},
        {"history": []},
        {"step": (4, None)},
        {"further": 1},
    ):
        assert not kills.equal(tree, tree | other)


def test_places_of_every_start_are_compared(kills, tmp_path):
    launch = kills.Launch.__new__(kills.Launch)
    launch.folder = tmp_path
    for name, place in (("0-0", [0, 0]), ("0-1", [0, 0]), ("1-0", [1, 12])):
        start = name.partition("-")[0]
        (tmp_path / f"start-{name}").write_text(json.dumps([start, *place]))
    assert (launch.agreed(), launch.starts(), launch.step()) == (True, 2, 0)
    (tmp_path / "start-1-1").write_text(json.dumps(["1", 1, 10]))
    assert not launch.agreed()


@pytest.mark.slow
def test_two_kills_lead_to_the_same_bits(tmp_path):
    path = tmp_path / "kills.json"
    command = [sys.executable, str(SCRIPT), "--kills", "2", "--seed", "1", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())
    assert (found["kills"], found["restarts"], found["hung"]) == (2, 2, 0)
    assert found["bit_equal"] == found["agreed"] == found["launches"]
