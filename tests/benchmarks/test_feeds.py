"""What the scripts on forms of training count, also over interruptions."""

import contextlib
import runpy
import time
from pathlib import Path

import gcl
from gcl.callbacks import Callback, Checkpoint

FEEDS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "scale" / "feeds.py"))


class Busy(Callback):
    """Takes CPU seconds after every step, and is interrupted after one of them."""

    def __init__(self, stop=None):
        self.stop = stop

    def on_step_end(self, state, batches):
        started = time.process_time()
        while time.process_time() - started < 0.05:
            pass
        if state.step == self.stop:
            raise KeyboardInterrupt


def test_seconds_of_an_interrupted_epoch_are_counted_once(tmp_path):
    data = gcl.datasets.load("karate")
    saved = tmp_path / "checkpoint.safetensors"

    def train(used, stop=None, resume=None):
        loader = gcl.loader.NeighborBatches(data, [2], batch_size=9)
        callbacks = [Busy(stop), used, Checkpoint(saved, every_steps=1)]
        method = gcl.methods.grace(data, hidden=4)
        return gcl.fit(method, loader, epochs=2, callbacks=callbacks, resume=resume)

    with contextlib.suppress(KeyboardInterrupt):
        train(FEEDS["Used"](), stop=3)
    used = FEEDS["Used"]()
    state = train(used, resume=saved)
    cpu = [row["cpu"] for row in state.history]
    assert state.step == 8
    assert all(0.2 <= seconds < 2 for seconds in cpu)
    assert abs(used.used - sum(cpu)) < 1e-6
    assert used.memory.most > 50
