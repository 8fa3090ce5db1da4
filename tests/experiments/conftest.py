"""Few runs of what takes the time, and what the tests of saved methods share."""

import sys

import pytest

import gcl
from tests.boards import shorten
from tests.experiments.own_code import OWN


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    shorten(monkeypatch)


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


@pytest.fixture
def folder(data, tmp_path):
    return gcl.save(gcl.methods.macl(gcl.methods.grace(data, hidden=8, proj=8)), tmp_path / "kept")


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_parts"
    sys.modules.pop("own_parts", None)
