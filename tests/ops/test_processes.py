"""Processes that wait for the first of them, and begin under torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gcl.distributed import launched, processes
from tests.distributed.first import failed, told, twice

SCRIPT = """
import os, sys, torch, torch.distributed as dist
from gcl.distributed import processes, from_first

def say(text):
    os.write(1, f"{text}\\n".encode())  # a line at once: two processes write

with processes() as rank:
    x = torch.ones(2)
    dist.all_reduce(x)
    say(f"sum {rank} {dist.get_world_size()} {x.tolist()}")
    if sys.argv[1] == "fails" and rank == 0:
        raise ValueError("no such file")
    if sys.argv[1] == "fails":
        from_first(int)
say(f"ended {dist.is_initialized()}")
"""


def test_the_others_have_what_the_first_makes(run, tmp_path):
    for rank, (first, made, waited, alone, there) in enumerate(run(told, str(tmp_path))):
        assert first == (rank == 0)
        assert (made, waited) == (0, True)
        assert alone == (7 if first else None)
        assert there == (not first)
    assert (tmp_path / "file").read_text()[0] == "0"


def test_nobody_waits_for_a_first_that_has_failed(run_two):
    (own, _), (said, seconds) = run_two(failed)
    assert (own, said) == ("", "rank 0 has failed. ValueError: no")
    assert seconds < 5


def test_a_group_is_begun_once(run_two):
    assert all("there is a process group already" in said for said in run_two(twice))


def test_alone_nothing_is_done(monkeypatch):
    with processes() as rank:
        assert (rank, launched()) == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of something else than torchrun
    with processes() as rank:
        assert (rank, launched()) == (0, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert launched() == 4


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fine", "fails"])
def test_under_torchrun(tmp_path, how):
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = ["-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *launch, str(tmp_path / "script.py"), how],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert {f"sum {r} 2 [2.0, 2.0]" for r in range(2)} <= {*done.stdout.splitlines()}
    if how == "fine":
        assert done.returncode == 0
        assert done.stdout.count("ended False") == 2
    else:
        assert done.returncode != 0
        assert "ValueError: no such file" in done.stderr
        assert "ended" not in done.stdout
