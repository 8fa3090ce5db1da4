"""Fewer splits and starts: what scripts compare is tested elsewhere, here that they do."""

import gc
from dataclasses import replace

import pytest

import gcl
from gcl.evaluate import HETERO_PROTOCOLS, PROTOCOLS


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    cluster = gcl.evaluate.cluster
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))
    for table in (PROTOCOLS, HETERO_PROTOCOLS):
        for name, full in table.items():
            short = {"runs": min(2, full.runs), "epochs": min(40, full.epochs), "Cs": full.Cs[1:3]}
            monkeypatch.setitem(table, name, replace(full, **short))


@pytest.fixture(autouse=True)
def small_collections():
    """Between timings garbage is collected: what earlier tests left is not walked each time."""
    gc.freeze()
    yield
    gc.unfreeze()
