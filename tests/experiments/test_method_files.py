"""A method in the place of another: one of them is there whatever happens, and whoever reads."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
import torch

import gcl
from gcl.experiments import method_files
from gcl.experiments.embedder import Embedder
from gcl.experiments.method_files import write_method

FILES = {"config.json", "model.safetensors", "README.md"}


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def made(data, seed):
    torch.manual_seed(seed)
    return gcl.methods.grace(data, hidden=8, proj=8)


def rows(method, data):
    return gcl.embed(method, data)


def names(folder):
    return {path.name for path in folder.iterdir()}


def stop_at(patch, step, *, dead, after):
    """Ends what runs at its `step`-th change of a file; if `dead`, no later one happens either."""
    seen = [0]

    def counted(function, after=after):
        def call(*args, **options):
            seen[0] += 1
            due = seen[0] >= step if dead else seen[0] == step
            if due and (not after or seen[0] > step):
                raise KeyboardInterrupt
            found = function(*args, **options)
            if due and after:
                raise KeyboardInterrupt
            return found

        return call

    patch.setattr(os, "replace", counted(os.replace))
    patch.setattr(os, "fsync", counted(os.fsync))
    patch.setattr(method_files.Path, "unlink", counted(method_files.Path.unlink))
    patch.setattr(method_files, "open", counted(open, False), raising=False)
    return seen


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dead", [False, True], ids=["interrupted", "killed"])
def test_a_kill_at_any_place_leaves_the_old_method_or_the_new(dead, after, data, tmp_path):
    embedder = Embedder("grace", hidden=8, proj=8, epochs=1, random_state=0).fit(data)
    old, found = embedder.method_, set()
    new = made(data, 5)
    one, other = rows(old, data), rows(new, data)
    first = embedder.save(tmp_path / "first")
    for step in range(1, 50):
        folder = tmp_path / str(step)
        shutil.copytree(first, folder)
        with pytest.MonkeyPatch.context() as patch:
            seen = stop_at(patch, step, dead=dead, after=after)
            with contextlib.suppress(KeyboardInterrupt):
                gcl.save(new, folder)
            ended = seen[0] < step
        z = rows(gcl.load(folder), data)
        found.add("old" if torch.equal(z, one) else "new")
        assert torch.equal(z, one) or torch.equal(z, other)
        assert torch.equal(torch.from_numpy(Embedder.load(folder).transform(data)), z)
        gcl.save(new, folder)
        assert torch.equal(rows(gcl.load(folder), data), other)
        left = {name for name in names(folder) if not name.endswith(".tmp")}
        assert left == FILES
        if ended:
            break
    assert ended
    assert step > 4
    assert found == {"old", "new"}


def test_an_interrupt_leaves_no_files_of_its_own(data, tmp_path, monkeypatch):
    folder = gcl.save(made(data, 0), tmp_path / "kept")

    def stopped(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(method_files, "write_atomically", stopped)
    with pytest.raises(KeyboardInterrupt):
        gcl.save(made(data, 1), folder)
    assert names(folder) == FILES


WRITE = """
import json, sys
from pathlib import Path
from gcl.experiments.method_files import write_method
folder, *others = map(Path, sys.argv[1:])
parts = [
    ((other / "model.safetensors").read_bytes(), json.loads((other / "config.json").read_text()))
    for other in others
]
print("ready", flush=True)
for turn in range(60):
    write_method(folder, *parts[turn % len(parts)], "card")
"""


def test_a_reader_beside_writers_finds_one_of_their_methods(data, tmp_path):
    methods = [made(data, seed) for seed in range(2)]
    known = [rows(method, data) for method in methods]
    others = [str(gcl.save(method, tmp_path / str(i))) for i, method in enumerate(methods)]
    folder = gcl.save(methods[0], tmp_path / "kept")
    words = [sys.executable, "-c", WRITE, str(folder), *others]
    writers = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        seen = 0
        while any(writer.poll() is None for writer in writers):
            config, _ = method_files.read_method(folder)
            assert config["recipe"]["name"] == "grace"
            if seen % 20 == 0:
                z = rows(gcl.load(folder), data)
                assert any(torch.equal(z, one) for one in known)
            seen += 1
        assert seen > 10
        assert [writer.wait() for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.stdout.close()
            writer.wait()
    assert names(folder) == FILES
    gcl.load(folder)


def test_writers_wait_for_each_other(data, tmp_path):
    folder = gcl.save(made(data, 0), tmp_path / "kept")
    weights = (folder / "model.safetensors").read_bytes()
    config = json.loads((folder / "config.json").read_text())
    with method_files._alone(folder):
        thread = threading.Thread(target=write_method, args=(folder, weights, config, "new card"))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert (folder / "README.md").read_text() != "new card"
    thread.join(10)
    assert (folder / "README.md").read_text() == "new card"


def test_a_checksum_is_no_path(data, tmp_path):
    folder = gcl.save(made(data, 0), tmp_path / "kept")
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = "x/../../other"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(gcl.checkpoint.CheckpointError, match="is not the file that"):
        gcl.load(folder)
