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
        ["git", "-C", Path(gcl.__file__).parent, "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    commit = told.stdout.strip() if told.returncode == 0 else "unknown"
    assert provenance()["commit"] == commit


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
