"""Real processes that wait for work: a group of ranks over gloo, started once a session."""

from __future__ import annotations

import tempfile
import time
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import multiprocessing

SECONDS = 120.0  # that a piece of work may take


class Processes:
    """Runs functions on all ranks of a group; a context.

    A piece of work that takes too long, or kills its process, ends the group; the next one starts
    a new one. Functions are found by their module, and give what can be pickled.

    Example:
        with Processes(2) as run:
            first, second = run(function, 1, option=2)
    """

    def __init__(self, size):
        self.size, self.workers, self.pipes = size, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()

    def __call__(self, function, *arguments, seconds=SECONDS, **options):
        """What the function gives on every rank, or one AssertionError with what they raised."""
        answers = self.outcomes(function, *arguments, seconds=seconds, **options)
        wrong = [f"rank {rank}:\n{text}" for rank, (fine, text) in enumerate(answers) if not fine]
        assert not wrong, "\n".join(wrong)
        return [value for _, value in answers]

    def outcomes(self, function, *arguments, seconds=SECONDS, anew=False, **options):
        """For every rank whether it was fine, and its value or traceback; None where it died.

        `anew` for work after which the connections are gone: the ranks begin a new group.
        """
        if not self.workers or not all(worker.is_alive() for worker in self.workers):
            self._begin()
        for pipe in self.pipes:
            pipe.send((function, arguments, options, anew))
        limit, answers = time.monotonic() + seconds, []
        for pipe in self.pipes:
            try:
                late = not pipe.poll(max(0.0, limit - time.monotonic()))
                answers.append((False, "no answer in time") if late else pipe.recv())
            except EOFError:
                answers.append((False, "the process has died"))
        if not all(fine for fine, _ in answers):
            self._end()  # what they told each other last is not known
        return answers

    def _begin(self):
        self._end()
        context = multiprocessing.get_context("spawn")
        folder = tempfile.mkdtemp()
        for rank in range(self.size):
            here, there = context.Pipe()
            worker = context.Process(
                target=_serve,
                args=(rank, self.size, str(Path(folder) / "store"), there),
                daemon=True,
            )
            worker.start()
            there.close()
            self.workers.append(worker)
            self.pipes.append(here)

    def _end(self):
        for pipe in self.pipes:
            pipe.close()
        for worker in self.workers:
            worker.join(1)
            if worker.is_alive():
                worker.kill()
                worker.join()
        self.workers, self.pipes = [], []


def _serve(rank, size, store, pipe):
    torch.set_num_threads(1)
    groups = 0
    _join(rank, size, f"{store}-{groups}")
    while True:
        try:
            function, arguments, options, anew = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(*arguments, **options)
        except BaseException:
            answer = False, traceback.format_exc()
        if anew:
            groups += 1
            dist.destroy_process_group()
            _join(rank, size, f"{store}-{groups}")
        pipe.send(answer)


def _join(rank, size, store):
    dist.init_process_group(
        "gloo",
        store=dist.FileStore(store, size),
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
