"""The leaderboard: deviations, and reports that do not compare."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gcl.experiments import leaderboard
from gcl.experiments import suite as bench
from gcl.experiments.run import options_digest
from tests.boards import entry


def test_a_report_of_another_protocol_is_bracketed():
    told = {"accuracy": 0.8, "source": "A"}
    entries = [
        replace(entry("grace/karate", protocol="e3"), reported=told),
        replace(entry("dgi/karate", protocol="random-10-10-80"), reported=told),
        replace(entry("ggd/karate", protocol="e3"), reported={**told, "protocol": "e2"}),
        entry("bgrl/karate", protocol="e3"),
    ]
    row = {"protocol": "random-10-10-80", "seed": 0, "accuracy": 0.5, "commit": "a"}
    under, _ = bench.under(entries, "random-10-10-80")
    rows = [
        {**row, "config": e.name, "options": options_digest(e.run), "features": e.run.recipe}
        for e in under
    ]
    (lines,) = leaderboard.leaderboard(rows, under, 5).values()
    at = leaderboard.HEADS.index("reported")
    shown = {line.method: (line.cells()[at], line.source) for line in lines}
    other = "A (protocol {}: does not compare)"
    assert shown == {
        "grace": ("(80.0)", other.format("e3")),
        "dgi": ("80.0", "A"),
        "ggd": ("(80.0)", other.format("e2")),
        "bgrl": ("", ""),
    }


def test_deviation_is_over_seeds_and_splits():
    rows = [
        {"config": "grace/karate", "protocol": "random-10-10-80", "seed": seed,
         "features": "grace", "commit": "c", "accuracy": accuracy, "accuracy_std": std}
        for seed, accuracy, std in ((0, 0.7, 0.03), (1, 0.9, 0.04), (2, 0.1, 0.5))
    ]  # fmt: skip
    (line,) = leaderboard.leaderboard(rows, [entry("grace/karate")], seeds=2)["karate"]
    assert line.accuracy == pytest.approx(0.8)
    assert line.std == pytest.approx(math.sqrt(0.02 + (0.03**2 + 0.04**2) / 2))
    assert line.cells()[1] == "80.0 ± 14.6"
    assert line.cells()[6:10] == ["", "", "", ""]


def test_no_chance_is_zero():
    (line,) = leaderboard.leaderboard(
        [{"config": "grace/karate", "protocol": "random-10-10-80", "seed": 0,
          "features": "grace", "commit": "c", "accuracy": 0.5}],
        [entry("grace/karate")], seeds=1,
    )["karate"]  # fmt: skip
    at = leaderboard.HEADS.index("p")
    shown = [replace(line, p=p).cells()[at] for p in (0.0, 0.0004, 0.0006, 0.25, math.nan)]
    assert shown == ["<0.001", "<0.001", "0.001", "0.250", ""]


def test_a_board_opens_with_what_it_says():
    """The sentence agrees with the marks of the tables below it, on the pages that are kept."""
    docs = Path(__file__).parents[2] / "docs"
    for page in docs.glob("leaderboard*.md"):
        _, said, rest = page.read_text().split("\n\n", 2)
        marked = re.findall(r"^\| (\w+) \|[^|]*\| (\S+)[^|]*▲ \|", rest, re.MULTILINE)
        assert re.findall(r"(\w+) \(([+-][\d.]+)\)", said) == marked
