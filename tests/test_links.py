"""Links between pages hold, and lead to headings that are there; Sphinx knows the rest."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)


def anchor(heading):
    """As GitHub and MyST make it of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def broken(page, text):
    found = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+://|mailto:", target):
            continue
        name, _, heading = target.partition("#")
        path = (page.parent / name) if name else page
        if path.parent.name == "gallery":  # made of the scripts beside it
            path = DOCS / "gallery_src" / f"{path.name}.py"
        path = path if path.suffix or path.exists() else path.with_suffix(".md")
        if not path.exists():
            found.append(target)
        elif heading:
            heads = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)
            if heading not in {anchor(head) for head in heads}:
                found.append(target)
    return found


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=str)
def test_links_hold(page):
    assert not broken(page, page.read_text())


def test_a_broken_link_is_found():
    page = DOCS / "seeds.md"
    told = "[a](choosing) [b](nowhere.md) [c](evaluation.md#nothing) [d](https://example.org)"
    assert broken(page, told) == ["nowhere.md", "evaluation.md#nothing"]


def test_every_page_is_in_a_table_of_contents():
    entry = re.compile(r"^(?:[^<\n]+ <)?([\w-]+)>?$", re.MULTILINE)
    listed = set(entry.findall((DOCS / "index.md").read_text()))
    assert {page.stem for page in PAGES} - listed - {"index"} == set()
