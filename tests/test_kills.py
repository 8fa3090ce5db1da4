"""Kills at random moments: what was saved stays, and the end is that of a run left alone.

Signals come at any time from the program's first line to the last write. A part of the trainings
spends most of its time in writes (`slow` below), so that these are hit, too.
"""

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from gcl.experiments.composition import compose
from gcl.methods import recipes

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
TYPES, SETS = ("adameow", "heco", "meow"), ("graphcl", "infograph", "mvgrl_graph", "simgrace")
SHORT = ("grace",)  # in the default tests
KILLS = 5  # a recipe in the long suite

GRAPHS = """
import torch
import gcl
from torch_geometric.data import Data, InMemoryDataset


def nodes():
    data = gcl.datasets.sbm(120)
    del data.y
    return data


def club():
    data = gcl.datasets.load("karate")
    for part, name in enumerate(("train", "val", "test")):
        data[f"{name}_mask"] = torch.arange(34) % 3 == part
    return data


def types():
    data = gcl.datasets.hetero_sbm(60, num_authors=50, num_subjects=9)
    data.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    del data["paper"].y
    return data


def sets():
    graphs = []
    for i in range(24):
        n = 4 + i % 5
        ends = torch.arange(1, n)
        one_way = torch.stack([ends - 1 if i % 2 else torch.zeros_like(ends), ends])
        x = torch.randn(n, 5, generator=torch.Generator().manual_seed(i))
        graphs.append(Data(x=x, edge_index=torch.cat([one_way, one_way.flip(0)], 1)))
    return gcl.datasets.GraphSet("toy", *InMemoryDataset.collate(graphs))
"""

SLOW = """
import os, sys, time
fsync = os.fsync


def slow(file):
    time.sleep(0.03)
    fsync(file)


if os.environ["GCL_SLOW"]:
    os.fsync = slow
if __name__ == "__main__":
    from gcl.__main__ import run

    sys.exit(run())
"""


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


class Program:
    """`gcl` in a folder of its own, and a name by which all its processes are found."""

    def __init__(self, folder, arguments, *, slow=False):
        self.mark = uuid.uuid4().hex
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "GCL_MARK": self.mark}
        environ["GCL_SLOW"] = "yes" if slow else ""
        environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "slow.py"), *arguments],
            cwd=folder,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal to all reaches its processes alone
            # What runs these tests in the background may have told them to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def members(self):
        """All processes of the program, found by their environment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def workers(self):
        """Processes that train; beside them Python has one that tracks what they share."""
        found = []
        for pid in self.members():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def listens(self):
        """Wait until the program answers signals itself: Python's own start is not ours."""
        bit = 1 << (signal.SIGTERM - 1)
        while self.process.poll() is None:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{self.process.pid}/status").read_text()
                caught = next(x for x in status.splitlines() if x.startswith("SigCgt"))
                if int(caught.split()[1], 16) & bit:
                    return
            time.sleep(0.002)

    def end(self, seconds=120):
        """Exit code and what was said."""
        said = self.process.communicate(timeout=seconds)[1]
        return self.process.returncode, said

    def leaves_no_orphan(self, seconds=10.0):
        until = time.monotonic() + seconds
        while self.members():
            assert time.monotonic() < until, "processes outlived the program"
            time.sleep(0.05)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "graphs.py").write_text(GRAPHS)
    (tmp_path / "slow.py").write_text(textwrap.dedent(SLOW))
    return tmp_path


def train_command(recipe, out, epochs):
    data = "types" if recipe in TYPES else "sets" if recipe in SETS else "nodes"
    defaults = compose(recipe).defaults()
    options = ["--hidden", "8"] if isinstance(defaults.get("hidden"), int) else []
    options += ["--proj", "8"] if "proj" in defaults else []
    options += ["--clusters", "3"] if recipe in ("pamc", "scgc") else []
    options += ["--pretrain_epochs", "3"] if "pretrain_epochs" in defaults else []
    return [
        "train", recipe, f"graphs.py:{data}", *options, "--epochs", str(epochs),
        "--out", str(out), "--resume",
    ]  # fmt: skip


def contents(out):
    """What must be equal: files, embeddings, losses, and all but the costs of the results."""
    found = {"files": sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.name == "embedding.npy":
            found[name] = path.read_bytes()
        if path.suffix == ".csv":
            rows = rows_of(path)
            costs = ("seconds", "cpu_seconds", "peak_mb")
            found[name] = [{k: v for k, v in row.items() if k not in costs} for row in rows]
    return found


def started(out, program):
    """Wait until something is saved, or the program has ended."""
    while not list(out.glob("seed-*/checkpoint.safetensors")) and program.process.poll() is None:
        time.sleep(0.01)


def kill_and_go_on(folder, recipe, kills, rng, epochs):
    whole = folder / "whole"
    begun = time.monotonic()
    code, said = Program(folder, train_command(recipe, whole, epochs)).end()
    assert code == 0, said
    lasts = time.monotonic() - begun
    out, hits = folder / "killed", []
    for number in range(kills):
        program = Program(folder, train_command(recipe, out, epochs), slow=number % 2 == 1)
        program.listens()
        if number % 4 == 3:  # at any time, imports included
            time.sleep(rng.uniform(0, lasts))
        else:
            started(out, program)
            time.sleep(rng.uniform(0, 0.5))
        chosen = rng.choice(SIGNALS)
        before = {p: p.read_bytes() for p in out.glob("seed-*/embedding.npy")}
        program.process.send_signal(chosen)
        code, said = program.end()
        program.leaves_no_orphan()
        assert code in (CODES[chosen], 0), said
        assert "Traceback" not in said
        for path, content in before.items():
            assert path.read_bytes() == content
        hits.append((chosen.name, code))
    code, said = Program(folder, train_command(recipe, out, epochs)).end()
    assert code == 0, said
    assert contents(out) == contents(whole)
    return hits


@pytest.mark.parametrize("recipe", SHORT)
def test_a_training_goes_on_bit_for_bit(folder, recipe):
    kill_and_go_on(folder, recipe, 2, random.Random(recipe), 40)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(recipes.__all__))
def test_every_training_goes_on_bit_for_bit(folder, recipe):
    hits = kill_and_go_on(folder, recipe, KILLS, random.Random(f"long {recipe}"), 120)
    print(json.dumps({recipe: hits}))


def board(folder, names):
    for recipe in names:
        path = folder / "configs" / recipe / "club.toml"
        path.parent.mkdir(parents=True)
        path.write_text(
            f'recipe = "{recipe}"\ndataset = "graphs.py:club"\nprotocol = "public"\n'
            "epochs = 60\nhidden = 4\n"
        )


def bench_command(out, seeds):
    return ["bench", "configs", "--seeds", str(seeds), "--jobs", "2", "--out", str(out)]


def numbers(path):
    costs = ("seconds", "cpu_seconds", "peak_mb", "command", "commit", "machine")
    rows = told(rows_of(path))
    return sorted(tuple(sorted((k, v) for k, v in row.items() if k not in costs)) for row in rows)


def told(rows):
    """Rows without what they do not tell: a later row may bring a column of its own."""
    return [{key: value for key, value in row.items() if value} for row in rows]


def kill_a_board(folder, names, seeds, kills, rng, at_a_time=3):
    board(folder, names)
    begun = time.monotonic()
    code, said = Program(folder, bench_command("whole.csv", seeds)).end()
    assert code == 0, said
    lasts, killed = time.monotonic() - begun, 0
    while killed < kills:
        out = folder / f"killed-{killed}.csv"
        for _ in range(at_a_time):
            program = Program(folder, bench_command(out.name, seeds), slow=rng.random() < 0.5)
            program.listens()
            time.sleep(rng.uniform(0.3, 1.0) * lasts)
            rows = rows_of(out)
            chosen, whom = rng.choice(SIGNALS), rng.choice(("parent", "worker", "all"))
            workers = program.workers()
            if whom == "all":
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.process.pid, chosen)
            elif whom == "worker" and workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), signal.SIGKILL)
            else:
                program.process.send_signal(chosen)
            code, said = program.end()
            program.leaves_no_orphan()
            killed += 1
            assert "Traceback" not in said, said
            if whom != "worker" or not workers:
                assert code in (CODES[chosen], 0), said
            after = rows_of(out)
            assert told(after)[: len(rows)] == told(rows)
        code, said = Program(folder, bench_command(out.name, seeds)).end()
        assert code == 0, said
        assert numbers(out) == numbers(folder / "whole.csv")
        left = [p.name for p in folder.iterdir() if p.name.startswith((out.name, f".{out.name}"))]
        assert set(left) <= {out.name, f".{out.name}.lock"}


@pytest.mark.slow
def test_a_board_goes_on_bit_for_bit(folder):
    kill_a_board(folder, ("grace", "dgi"), 1, 1, random.Random("board"), at_a_time=1)


@pytest.mark.slow
def test_boards_go_on_bit_for_bit(folder):
    kill_a_board(folder, ("grace", "dgi", "bgrl"), 2, 24, random.Random("long board"))
