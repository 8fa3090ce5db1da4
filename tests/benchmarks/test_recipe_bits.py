"""Whether a change of the code changes numbers."""

import json
import runpy
from pathlib import Path

import pytest

import gcl

MAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "recipe_bits.py"))["main"]


@pytest.fixture
def grace_alone(monkeypatch):
    names = MAIN.__globals__
    for table in ("NODE", "HETERO", "GRAPHS"):
        monkeypatch.setitem(names, table, {"grace": {"hidden": 4}} if table == "NODE" else {})
    monkeypatch.setitem(names, "flags", dict)
    every = names["every"]
    # Of the variants on sets of graphs, which stand in the loop itself, only the names.
    monkeypatch.setattr(gcl.methods, "joao", lambda method: method)
    return every


def test_the_same_code_gives_the_same_bits_and_other_code_is_named(
    grace_alone, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "bits.json"
    assert MAIN(["--out", str(path)]) == 0
    stored = json.loads(path.read_text())
    assert stored["bits"]["grace 0"] != stored["bits"]["grace 1"]
    assert {"commit", "machine", "torch"} <= set(stored)
    assert MAIN(["--compare", str(path)]) == 0
    assert "0 moved" in capsys.readouterr().out
    grace = gcl.methods.grace
    monkeypatch.setattr(gcl.methods, "grace", lambda data, **o: grace(data, tau=0.3, **o))
    assert MAIN(["--compare", str(path)]) == 1
    assert capsys.readouterr().out.split("\n", 1)[1].split() == ["grace", "0", "grace", "1"]
