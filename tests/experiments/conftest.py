"""Few runs of what takes the time."""

import pytest

from tests.boards import shorten


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    shorten(monkeypatch)
