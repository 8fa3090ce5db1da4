"""Where a number comes from."""

import subprocess
from pathlib import Path

import pytest
import torch

import gcl
from gcl.experiments import provenance as module
from gcl.experiments.provenance import provenance


def test_the_commit_is_that_of_the_repository():
    told = subprocess.run(
        ["git", "-C", Path(gcl.__file__).parent, "describe", "--always"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    commit = told.stdout.strip() if told.returncode == 0 else "unknown"
    assert provenance()["commit"].removesuffix("-dirty") == commit


def test_written_results_and_pages_leave_the_code_as_it_is(monkeypatch, tmp_path):
    files = ["gcl/code.py", "benchmarks/results/table.csv", "docs/board.md", "benchmarks/run.py"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "gcl" / "code.py"))

    def is_dirty():
        module.commit.cache_clear()
        return module.commit().endswith("-dirty")

    assert module.commit() != "unknown"
    assert not is_dirty()
    for name in files[1:3]:
        (tmp_path / name).write_text("two")
        assert not is_dirty()
    for name in (files[0], files[3]):
        (tmp_path / name).write_text("two")
        assert is_dirty()
        (tmp_path / name).write_text("one")


@pytest.fixture(autouse=True)
def asked_anew():
    module.commit.cache_clear()
    yield
    module.commit.cache_clear()


def test_without_git_or_a_repository_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    module.commit.cache_clear()
    assert provenance()["commit"] == "unknown"
    monkeypatch.undo()
    monkeypatch.setattr(module, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    module.commit.cache_clear()
    assert provenance()["commit"] == "unknown"


def test_machine_and_threads():
    found = provenance()
    assert found["machine"].endswith(f", {torch.get_num_threads()} threads")
    assert found["torch"] == torch.__version__
    info = Path("/proc/cpuinfo")
    names = (
        [x for x in info.read_text().splitlines() if x.startswith("model name")]
        if info.is_file()
        else []
    )
    if names:
        assert found["machine"].startswith(names[0].partition(":")[2].strip())
    assert set(found) == {"commit", "machine", "torch"}


def test_files_that_a_run_writes_leave_its_commit_alone(monkeypatch):
    before = provenance()["commit"]
    monkeypatch.setattr(module.subprocess, "run", None)
    assert provenance()["commit"] == before
