"""Many runs into one file: which, in which order, and in several processes."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gcl
from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.callbacks import Checkpoint
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments import suite as bench
from tests.boards import board_command, board_of_one_split, entry, write_configs


@pytest.fixture
def configs(tmp_path):
    return write_configs(tmp_path / "configs")


@pytest.fixture
def command(configs, tmp_path):
    return board_command(configs, tmp_path / "board.csv")


def test_goes_on_where_it_was(command, tmp_path, monkeypatch):
    train, seen = gcl.experiments.run.train_seed, []

    def stop(run, data, seed, *folder, **options):
        seen.append((run.recipe, seed))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return train(run, data, seed, *folder, **options)

    monkeypatch.setattr(gcl.experiments.suite, "train_seed", stop)
    assert main([*command, "--seeds", "1"]) == 130
    kept = results.read_rows(tmp_path / "board.csv")
    assert seen == [("dgi", 0), ("grace", 0)]
    assert main([*command, "--seeds", "1"]) == 0
    assert seen[2:] == [("grace", 0)]
    assert results.read_rows(tmp_path / "board.csv")[: len(kept)] == kept


def test_several_processes_give_the_same_numbers(configs, tmp_path, monkeypatch):
    monkeypatch.setattr(gcl.baselines, "supervised_gcn", supervised_gcn)  # as in the processes
    command = board_of_one_split(configs, tmp_path / "board.csv")
    assert main([*command, "--seeds", "1"]) == 0
    other = tmp_path / "other.csv"
    assert main([*command[:-1], str(other), "--seeds", "1", "--jobs", "2"]) == 0

    def numbers(path):
        keys = ("config", "features", "seed", "accuracy", "options")
        return sorted(tuple(row[k] for k in keys) for row in results.read_rows(path))

    assert numbers(other) == numbers(tmp_path / "board.csv")
    assert {row[1] for row in numbers(other)} >= {"raw features", "supervised GCN", "grace", "dgi"}


def test_a_training_that_was_killed_goes_on_from_its_checkpoint(command, tmp_path, monkeypatch):
    assert main([*command, "--seeds", "1"]) == 0
    whole = results.read_rows(tmp_path / "board.csv")
    command[-1] = str(tmp_path / "other.csv")
    fit, first = gcl.experiments.run.fit, []

    def killed(*arguments, **options):
        keeping = next(c for c in options["callbacks"] if isinstance(c, Checkpoint))
        end, steps = keeping.on_epoch_end, []

        def stop(state):
            state.history[-1]["seconds"] = 1000.0
            end(state)
            steps.append(state.epoch)
            raise KeyboardInterrupt

        if not first:
            first.append(True)
            keeping.every = 1
            keeping.on_epoch_end = stop
        else:
            assert len(first) > 1 or options["resume"].is_file()
            first.append(True)
        return fit(*arguments, **options)

    monkeypatch.setattr(gcl.experiments.run, "fit", killed)
    assert main([*command, "--seeds", "1"]) == 130
    assert len(list((tmp_path / "other.csv.work").iterdir())) == 1
    assert main([*command, "--seeds", "1"]) == 0
    assert not (tmp_path / "other.csv.work").exists()
    again = results.read_rows(tmp_path / "other.csv")
    for old, new in zip(whole, again, strict=True):
        assert (old["config"], old["accuracy"]) == (new["config"], new["accuracy"])
    # What was trained before counts.
    assert sum(float(row["seconds"] or 0) > 1000 for row in again) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_with_their_parent(configs, command):
    for path in configs.rglob("*.toml"):
        path.write_text(path.read_text().replace("epochs = 2", "epochs = 10000000"))
    parent = subprocess.Popen(
        [sys.executable, "-m", "gcl", *command, "--seeds", "2", "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def workers():
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent.pid:
                    found.append(stat.parent)
        return found

    def wait(until):
        end = time.monotonic() + 60
        while not until() and time.monotonic() < end:
            time.sleep(0.2)
        assert until()

    try:
        wait(lambda: len(workers()) > 2)  # two, and the tracker of resources
        children = workers()
        parent.kill()
        parent.wait()
        wait(lambda: not any(child.exists() for child in children))
    finally:
        parent.kill()


def test_which_configuration_counts():
    entries = [
        entry("grace/karate-other", protocol="e2"),
        entry("grace/karate", protocol="e3"),
        entry("dgi/karate-a", protocol="e3"),
        entry("dgi/karate-b", protocol="random-10-10-80"),
    ]
    found, absent = bench.under(entries, "random-10-10-80")
    assert not absent
    assert [e.name for e in found] == ["grace/karate", "dgi/karate-b"]
    assert {e.run.protocol for e in found} == {"random-10-10-80"}
