"""Locks: one holder, no wait without a word, none that outlives its process."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gcl.experiments import locks
from gcl.experiments.locks import locked

HOLD = """
    import sys, time
    from pathlib import Path
    from gcl.experiments.locks import locked
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a lock for so many seconds."""
    started = []

    def hold(seconds):
        command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "l"), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_it_is_given_back(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "l", patience=0):
            pass


def test_a_second_holder_is_told_at_once(tmp_path, holder):
    holder(60)
    started = time.monotonic()
    with (
        pytest.raises(ValueError, match=r"is locked\. Wait for its end"),
        locked(tmp_path / "l", patience=0, otherwise="Wait for its end."),
    ):
        pass
    assert time.monotonic() - started < 5


def test_a_wait_is_told_and_ends(tmp_path, holder, capsys, monkeypatch):
    monkeypatch.setattr(locks, "FIRST", 0.2)
    holder(1.0)
    with locked(tmp_path / "l"):
        assert "waiting for" in capsys.readouterr().err
    holder(60)
    with (
        pytest.raises(ValueError, match=r"has held it for 0\.5 seconds"),
        locked(tmp_path / "l", patience=0.5),
    ):
        pass


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    process = holder(60)
    process.kill()
    process.wait()
    with locked(tmp_path / "l", patience=0):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place for no files")
def test_where_no_lock_can_be_made(monkeypatch):
    monkeypatch.setattr(locks, "FIRST", 0.2)
    with pytest.raises(ValueError, match="Cannot make"), locked(Path("/proc/gcl.lock")):
        pass
