"""The script that measures graphs in files, on a small graph."""

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "scale" / "disk.py"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.slow  # a fresh process for each row
def test_prints_a_row_for_each_part(capsys, tmp_path):
    SCRIPT["main"](["--scale", "0.0001", "--json", "--folder", str(tmp_path / "graph")])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["what"] for row in rows] == [
        "making",
        "propagating",
        "neighbours: 8 seeds, [10, 10]",
        "random parts: 50 nodes and the edges between them",
        "GRACE: 8 seeds, [10, 10], 64 wide",
        "GRACE, glibc's rule: 8 seeds, [10, 10], 64 wide",
        "rows: 8 seeds, []",
    ]
    assert all(0 < row["opened"] <= row["end"] * 1.5 for row in rows[2:])
    assert all(row["ms"] > 0 for row in rows)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("part", SCRIPT["BATCHES"])
def test_a_part_in_this_process(capsys, tmp_path, part, monkeypatch):
    monkeypatch.setitem(SCRIPT["BATCHES"], part, 3)
    SCRIPT["main"](
        ["--scale", "0.0001", "--json", "--folder", str(tmp_path / "graph"), "--part", part]
    )
    row = json.loads(capsys.readouterr().out)
    assert row["batches"] == 3
    assert row["what"].startswith(part)
    assert all(row[name] > 0 for name in ("ms", "opened", "constructed", "tenth", "half", "end"))
