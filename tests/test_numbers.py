"""No figure in README or docs without a stored row: means and deviations are made again."""

import csv
import json
import re
from collections import defaultdict
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import gcl

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = {*gcl.methods.recipes.__all__, "cora", "citeseer", "pubmed", "photo", "acm", "dblp"}
UNTRAINED = ("raw features", "propagated")  # columns that stand beside those of a recipe
MADE_BY = (
    "config", "recipe", "options", "variant", "form", "dataset", "protocol", "features", "loss",
)  # fmt: skip
OTHERS = ("reported", "published", "authors", "paper")  # whose figures need no row of ours
FIGURE = re.compile(r"(?<![-+\w.])(\d+\.\d+) ± (\d+\.\d+)(?![\d.])")


@lru_cache
def stored_as_told():
    """`mean ± deviation` as the outputs of benchmarks/speed hold it."""
    paths = (ROOT / "benchmarks" / "results").glob("*.json")
    told = (json.dumps(json.loads(path.read_text()), ensure_ascii=False) for path in paths)
    return {found for text in told for found in FIGURE.findall(text)}


@lru_cache
def stored():
    """Mean and deviation of every column of every group of rows, for its first seeds, in %.

    By what the group is called: its configuration, variant and features.
    """
    found = defaultdict(set)
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.csv")):
        groups = defaultdict(list)
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                groups[tuple(row.get(key) for key in MADE_BY)].append(row)
        for made_by, rows in groups.items():
            name = " ".join(filter(None, made_by)).lower()
            for column in rows[0]:
                values = [number(row.get(column)) for row in rows]
                if None in values:
                    continue
                splits = [number(row.get(f"{column}_std")) for row in rows]
                for count in range(1, len(values) + 1):
                    part = 100 * np.array(values[:count])
                    stds = {float(part.std(ddof=ddof)) for ddof in range(min(count, 2))}
                    if None not in splits:
                        within = 100 * np.array(splits[:count])
                        between = part.var(ddof=1) if count > 1 else 0.0
                        stds |= {
                            float(within[0]),
                            float(np.sqrt(between + np.square(within).mean())),
                        }
                    found[name] |= {(float(part.mean()), std) for std in stds}
    return {name: np.array(sorted(several)) for name, several in found.items()}


@lru_cache
def rows_of(line):
    """The rows that a line of a table may tell of: of the recipe and data set it begins with."""
    first = line.strip().strip("|").partition("|")[0].lower()
    words = set(re.findall(r"[a-z_0-9]+", first.replace("-", "_")))
    named = sorted(words & NAMED) if line.startswith("|") else []
    return [at for name, at in stored().items() if all(recipe in name for recipe in named)]


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def figures(page):
    """`mean ± deviation` of our own, each with its line."""
    heads = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            heads = []
            yield from ((found.groups(), line) for found in FIGURE.finditer(line))
            continue
        if not heads:
            heads = cells
        if any(word in cells[0].lower() for word in OTHERS):
            continue
        for head, cell in zip(heads, cells, strict=False):
            if not any(word in head.lower() for word in OTHERS):
                told = cell.partition(" (")[0]
                of = "" if any(word in head.lower() for word in UNTRAINED) else line
                yield from ((found.groups(), of) for found in FIGURE.finditer(told))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_mean_and_deviation_has_its_rows(page):
    missing = []
    for (mean, std), line in figures(page):
        # half a unit of the last digit, and what float printing may add
        near = 0.5 * 10.0 ** -len(mean.partition(".")[2]) + 1e-6
        if (mean, std) in stored_as_told():
            continue
        scales = product((1.0, 0.01), rows_of(line))
        if not any(
            np.any(
                (np.abs(at[:, 0] * scale - float(mean)) <= near)
                & (np.abs(at[:, 1] * scale - float(std)) <= near)
            )
            for scale, at in scales
        ):
            missing.append(f"{mean} ± {std} in: {line.strip()[:90]}")
    assert not missing, "\n".join(missing)


def test_a_figure_that_nobody_measured_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "| | ours | reported |\n| --- | --- | --- |\n| grace | 99.9 ± 0.1 | 98.0 ± 0.1 |"
    )
    assert [found for found, _ in figures(page)] == [("99.9", "0.1")]
    with pytest.raises(AssertionError, match=r"99\.9 ± 0\.1"):
        test_every_mean_and_deviation_has_its_rows(page)


def test_a_figure_of_another_recipe_is_found(tmp_path):
    lines = (ROOT / "README.md").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| GGD, Cora"))
    page = tmp_path / "page.md"
    page.write_text("\n".join(lines[at - 2 : at + 1]))
    test_every_mean_and_deviation_has_its_rows(page)
    page.write_text(page.read_text().replace("GGD", "BGRL"))
    with pytest.raises(AssertionError, match="BGRL, Cora"):
        test_every_mean_and_deviation_has_its_rows(page)


def test_a_figure_before_a_word_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("The same five trainings have 99.9 ± 0.1 by another probe.")
    assert [found for found, _ in figures(page)] == [("99.9", "0.1")]
