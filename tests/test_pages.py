"""Pages of the docs can be read: words for pictures, levels in order, nothing swallowed."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [p for p in sorted(DOCS.glob("*.md")) if p.stem != "changelog"]  # which includes another
FENCE = re.compile(r"^([`:]{3,})[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)


def faults(text):
    """What a reader would stumble over."""
    prose = FENCE.sub("", text)
    found = [f"no words for {name}" for name in re.findall(r"!\[\s*\]\(([^)]+)\)", prose)]
    found += [
        f"no words for {name}"
        for name, options in re.findall(r"^```\{image\} (\S+)\n(.*?)^```", text, re.M | re.S)
        if not re.search(r"^:alt: \S", options, re.MULTILINE)
    ]
    heads = re.findall(r"^(#+) (.*)$", prose, re.MULTILINE)
    if [len(marks) for marks, _ in heads].count(1) != 1:
        found.append("not one title")
    found += [
        f"a level left out above {name}"
        for (above, _), (below, name) in pairwise(heads)
        if len(below) > len(above) + 1
    ]
    if re.match(r"# [^\n]*\n+[#|!]", text):
        found.append("nothing said below the title")
    found += [
        f"swallowed by the table above: {line}"
        for line in re.findall(r"^\|[^\n]*\n([^|\s][^\n]*)", prose, re.MULTILINE)
    ]
    found += [
        f"twice: {word}"
        for word in re.findall(r"\b([a-z]+)\s+\1\b(?! *=)", re.sub(r"`[^`]*`", "`", prose))
    ]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_read(page):
    assert not faults(page.read_text())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# A\n\nSo.\n\n![](a.png)\n", "no words for a.png"),
        ("# A\n\nSo.\n\n```{image} a.png\n:width: 9\n```\n", "no words for a.png"),
        ("# A\n\nSo.\n\n# B\n", "not one title"),
        ("# A\n\nSo.\n\n### B\n", "a level left out above B"),
        ("# A\n\n## B\n\nSo.\n", "nothing said below the title"),
        ("# A\n\nSo.\n\n| a |\n| - |\n| 1 |\nSo.\n", "swallowed by the table above: So."),
        ("# A\n\nSo it is is.\n", "twice: is"),
    ],
)
def test_a_fault_is_found(text, fault):
    assert faults(text) == [fault]
    assert not faults("# A\n\nSo, so.\n\n## B\n\n```python\n# 1\n### 2\n```\n\n![one](a.png)\n")


def test_every_example_has_a_card_of_its_own():
    """The gallery shows a part of a figure that can be read at the size of a card."""
    cards = re.findall(r'^    "(plot_\w+)": \(', (DOCS / "figure_scraper.py").read_text(), re.M)
    examples = sorted((DOCS / "gallery_src").glob("plot_*.py"))
    assert sorted(cards) == [path.stem for path in examples]
    for path in examples:
        assert "# sphinx_gallery_thumbnail_number = 0\n" in path.read_text(), path.name
