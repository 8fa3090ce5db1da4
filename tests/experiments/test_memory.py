"""Memory that a call needs, against allocations of a known size."""

import math
import threading
import time

import numpy as np
import pytest

from gcl.experiments import memory
from gcl.experiments.memory import peak_extra_mb

here = pytest.mark.skipif(not memory.STATM.is_file(), reason="looks into /proc")


def allocate(megabytes):
    block = np.ones(megabytes * 125_000)  # of 8 bytes, each page touched
    time.sleep(0.02)
    return block.sum()


@here
def test_what_is_freed_within_the_call_counts():
    found = peak_extra_mb(lambda: allocate(200))
    assert 190 < found < 260


@here
def test_the_peak_counts_and_not_the_sum():
    found = peak_extra_mb(lambda: [allocate(150) for _ in range(4)])
    assert 140 < found < 250


@here
def test_what_was_there_before_does_not_count():
    kept = np.ones(25_000_000)
    assert peak_extra_mb(lambda: time.sleep(0.02)) < 100
    assert kept.nbytes == 200e6


@here
def test_an_error_comes_through_and_nobody_watches_on():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        peak_extra_mb(lambda: 1 / 0)
    assert threading.active_count() == before


def test_a_system_that_does_not_tell_gives_nan_and_runs_the_call(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(memory, "STATM", tmp_path / "absent")
    assert math.isnan(peak_extra_mb(lambda: ran.append(1)))
    assert ran == [1]
