"""Links of the papers that docstrings name: the table is docs/papers.toml."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOMES = {
    "arXiv": "https://arxiv.org/abs/",
    "doi": "https://doi.org/",
    "ieee": "https://ieeexplore.ieee.org/document/",
    "openreview": "https://openreview.net/forum?id=",
}
PAPERS: dict[str, str] = tomllib.loads((Path(__file__).parent / "papers.toml").read_text())
_ADDRESSES = {
    words.lower(): HOMES[kind] + name
    for words, (kind, _, name) in ((w, told.partition(":")) for w, told in PAPERS.items())
}
# A title may be broken into lines, and its letters be capital or not.
_NAMED = re.compile(
    "|".join(
        rf"(?<!\w){re.escape(words).replace(chr(92) + ' ', ' ').replace(' ', chr(92) + 's+')}(?!\w)"
        for words in sorted(PAPERS, key=len, reverse=True)
    ),
    re.IGNORECASE,
)


def named_in(text: str) -> set[str]:
    """Addresses of the papers that a text names."""
    return {_address(found) for found in _NAMED.finditer(text)}


def linked(lines: list[str]) -> list[str]:
    """The lines of a reference as reST, on one line, its papers linked."""
    text = " ".join(line.strip() for line in lines)
    return [_NAMED.sub(lambda found: f"`{found[0]} <{_address(found)}>`__", text)]


def _address(found: re.Match[str]) -> str:
    return _ADDRESSES[" ".join(found[0].lower().split())]
