"""ProgressBar: where it stands, and that it ends."""

import io
import math
import re

import pytest
from rich.console import Console

import gcl
from gcl.callbacks import ProgressBar
from tests.callbacks.scripted import Scripted, train


def test_progress_bar_shows_the_loss_and_ends_with_errors_too():
    console = Console(force_terminal=True, width=90, record=True)
    bar = ProgressBar("karate", console=console)
    with pytest.raises(gcl.training.NonFiniteLossError):
        train([1.0, 0.25, math.nan], [bar])
    assert bar._bar.finished is False
    assert not bar._bar.live.is_started


def test_in_a_pipe_one_line_a_run_and_none_of_a_broken_one():
    told = io.StringIO()
    train([3.0, 1.0, 0.25], [ProgressBar("karate", console=Console(file=told))])
    assert re.fullmatch(r"karate: 3 epochs in \d+\.\d s, loss 0\.2500\n", told.getvalue())
    broken = io.StringIO()
    with pytest.raises(gcl.training.NonFiniteLossError):
        train([1.0, math.nan], [ProgressBar(console=Console(file=broken))])
    assert broken.getvalue() == ""


def test_the_bar_moves_within_an_epoch():
    data, places = gcl.datasets.load("karate"), []

    class Watched(ProgressBar):
        def on_step_end(self, state, batches):
            super().on_step_end(state, batches)
            places.append(self._bar.tasks[0].completed)

    method = Scripted([1.0] * 8)
    bar = Watched(console=Console(file=io.StringIO()))
    gcl.fit(method, [data] * 4, epochs=2, callbacks=[bar])
    assert places == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
