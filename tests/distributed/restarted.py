"""A training for torchrun, of which one rank is killed once, in the middle of an epoch.

python -m torch.distributed.run --nproc-per-node 2 --max-restarts 2 restarted.py FOLDER [EPOCH]
"""

import os
import signal
import sys
from pathlib import Path

import torch

import gcl
from gcl.callbacks import Callback, Checkpoint
from gcl.distributed import processes
from tests.distributed.fits import made, parts


class Killed(Callback):
    every_rank = True

    def __init__(self, epoch, mark):
        self.epoch, self.mark = epoch, mark

    def on_step_end(self, state, batches):
        here = state.team.rank == 1 and state.step == 2 * self.epoch + 1
        if here and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder, epoch=None):
    torch.set_num_threads(1)
    with processes():
        train(folder, epoch)


def train(folder, epoch):
    path = folder / "checkpoint.safetensors"
    method = made("grace", norm="batch")
    views = {"drop_edge": (0.3, 0.3), "normalize": False}
    method.views = gcl.methods.grace(parts(True).batches[0], **views).views
    torch.manual_seed(3)
    callbacks = [Checkpoint(path, every=1)]
    if epoch is not None:
        callbacks.append(Killed(epoch, folder / "killed"))
    resume = path if path.exists() else None
    gcl.fit(method, parts(True), epochs=5, callbacks=callbacks, resume=resume)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
