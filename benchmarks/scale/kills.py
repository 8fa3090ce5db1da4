"""Kills of random ranks at random moments: is the end that of a training left alone?

    python benchmarks/scale/kills.py --json benchmarks/results/scale-kills.json

`torchrun --nproc-per-node 2 --max-restarts 60` trains GRACE by sampled neighbourhoods and writes a
checkpoint every other step. Some steps after every start, or while a start is under way, one of the
ranks is killed by SIGKILL, from outside; torchrun starts both anew. At the end of a launch every
bit of weights, optimizer, history and random states is compared with that of a launch without
kills. A launch without a step for `--patience` seconds counts as hung.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

import gcl
from gcl.callbacks import Callback, Checkpoint
from gcl.distributed import processes
from gcl.experiments.provenance import provenance

EPOCHS, STEPS = 10, 8  # an epoch has so many steps


class Notes(Callback):
    """Tells the outside where every rank began, and how many steps are done."""

    every_rank = True

    def __init__(self, folder: Path):
        self.folder = folder

    def on_start(self, state: Any) -> None:
        start = os.environ["TORCHELASTIC_RESTART_COUNT"]
        told = json.dumps([start, state.epoch, state.step])
        (self.folder / f"start-{start}-{state.team.rank}").write_text(told)

    def on_step_end(self, state: Any, batches: int | None) -> None:
        if state.team.leads:
            (self.folder / "step").write_text(f"{state.step}\n")


def train(folder: Path) -> None:
    """What torchrun runs."""
    torch.set_num_threads(1)
    path = folder / "checkpoint.safetensors"
    with processes():
        data = gcl.datasets.sbm(STEPS * 32, 4, degree=6)
        torch.manual_seed(0)
        method = gcl.methods.grace(data, hidden=16, proj=16, norm="batch")
        gcl.fit(
            method,
            gcl.loader.NeighborBatches(data, [4, 4], batch_size=16),
            epochs=EPOCHS,
            optimizer=partial(torch.optim.AdamW, lr=0.01),
            scheduler=gcl.training.warmup_cosine(STEPS, EPOCHS * STEPS),
            callbacks=[Checkpoint(path, every_steps=2), Notes(folder)],
            resume=path if path.exists() else None,
        )


class Launch:
    """A torchrun under way."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", "2", "--max-restarts", "60", __file__, "--train", folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "said").open("w"),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def step(self) -> int:
        path = self.folder / "step"
        text = path.read_text() if path.exists() else ""
        return int(text) if text.endswith("\n") else 0

    def starts(self) -> int:
        """Starts of which a rank has told that its training goes on."""
        return len({path.name.split("-")[1] for path in self.folder.glob("start-*")})

    def ranks(self) -> list[int]:
        pid = self.process.pid
        try:
            return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    def ended(self) -> bool:
        return self.process.poll() is not None

    def agreed(self) -> bool:
        """Whether the ranks of every start began at one place."""
        places: dict[str, set[tuple[int, int]]] = {}
        for path in self.folder.glob("start-*"):
            start, epoch, step = json.loads(path.read_text())
            places.setdefault(start, set()).add((epoch, step))
        return all(len(there) == 1 for there in places.values())


def kill_once(launch: Launch, rng: random.Random, patience: float) -> str:
    """ "killed", "ended" where it was too late, or "hung"."""
    before, limit = launch.starts(), time.monotonic() + patience
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 5))  # at any time, imports included
    else:
        while launch.starts() == before and not launch.ended():
            if time.monotonic() > limit:
                return "hung"
            time.sleep(0.005)
        at = launch.step() + rng.randint(0, 6)
        limit = time.monotonic() + patience
        while launch.step() < at and not launch.ended():
            if time.monotonic() > limit:
                return "hung"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
    while len(ranks := launch.ranks()) < 2 and not launch.ended():
        if time.monotonic() > limit:
            return "hung"
        time.sleep(0.01)
    if launch.ended():
        return "ended"
    try:
        os.kill(rng.choice(ranks), signal.SIGKILL)
    except ProcessLookupError:
        return "ended"
    return "killed"


def finish(launch: Launch, patience: float) -> bool:
    """Waits for the end; False where there is none."""
    limit, step = time.monotonic() + patience, -1
    while not launch.ended():
        if launch.step() != step:
            limit, step = time.monotonic() + patience, launch.step()
        if time.monotonic() > limit:
            launch.process.kill()
            launch.process.wait()
            return False
        time.sleep(0.02)
    return launch.process.returncode == 0


def equal(one: Any, other: Any) -> bool:
    """Every bit, but for what the clock told."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        keys = {*one} - {"seconds"}
        return keys == {*other} - {"seconds"} and all(equal(one[k], other[k]) for k in keys)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def measure(kills: int, per_launch: int, seed: int, patience: float, home: Path) -> dict[str, Any]:
    rng, begun = random.Random(seed), time.monotonic()
    (home / "whole").mkdir()
    if not finish(Launch(home / "whole"), patience):
        raise RuntimeError(f"The launch without kills failed: {home / 'whole' / 'said'}")
    expected = gcl.checkpoint.load(home / "whole" / "checkpoint.safetensors")
    found = {"kills": 0, "launches": 0, "restarts": 0, "hung": 0, "bit_equal": 0, "agreed": 0}
    while found["kills"] < kills:
        folder = home / f"killed-{found['launches']}"
        folder.mkdir()
        launch, outcome, done = Launch(folder), "killed", 0
        while outcome == "killed" and done < per_launch and found["kills"] < kills:
            outcome = kill_once(launch, rng, patience)
            done += outcome == "killed"
            found["kills"] += outcome == "killed"
        fine = finish(launch, patience)
        found["launches"] += 1
        found["restarts"] += done
        found["hung"] += not fine
        found["agreed"] += launch.agreed()
        path = folder / "checkpoint.safetensors"
        found["bit_equal"] += fine and equal(gcl.checkpoint.load(path), expected)
        print(json.dumps(found), flush=True)
    return {**found, "seconds": round(time.monotonic() - begun, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--per-launch", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=90.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train)
        return
    with tempfile.TemporaryDirectory() as home:
        found = measure(
            arguments.kills, arguments.per_launch, arguments.seed, arguments.patience, Path(home)
        )
    if arguments.json:
        command = " ".join(["python", "benchmarks/scale/kills.py", *sys.argv[1:]])
        told = {**found, "ranks": 2, "command": command, **provenance()}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    whole = found["bit_equal"] == found["agreed"] == found["launches"]
    sys.exit(0 if whole and not found["hung"] else 1)


if __name__ == "__main__":
    main()
