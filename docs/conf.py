"""Sphinx configuration: `make docs` builds from here, and every warning is an error."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import gcl

project = "gcl"
author = "the gcl authors"
copyright = "2026, the gcl authors"
version = release = gcl.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery_src"]
templates_path = ["_templates"]
default_role = "code"

html_theme = "furo"
html_title = f"gcl {release}"
html_copy_source = False

myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shape", "Reference"]

sphinx_gallery_conf = {
    "examples_dirs": "gallery_src",
    "gallery_dirs": "gallery",
    "image_scrapers": ("figure_scraper.scrape",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

_SECTION = re.compile(
    r"(Args|Attributes|Example|Raises|Reference|Returns|Shape|Yields):\s*$", re.ASCII
)


def _to_rst(_app: Any, what: str, _name: str, _obj: Any, _opts: Any, lines: list[str]) -> None:
    """Docstrings are written to be read as text: turn their formulas and tables into reST."""
    head = next((i for i, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    out: list[str] = []
    before = ""  # the last line that was not blank
    for i, line in enumerate(lines[:head]):
        # Indented text after a blank line is a formula, unless backticks say so already.
        opens = line.startswith(" ") and i > 0 and not lines[i - 1].strip()
        if opens and not before.startswith((" ", "- ")) and not line.lstrip().startswith("`"):
            out += ["::", ""]
        out.append(line)
        before = line if line.strip() else before
    # napoleon takes what stands before a colon in the first line of a variable for its type.
    lines[:head] = ["", *out] if what == "data" else _tables(out)


def _tables(lines: list[str]) -> list[str]:
    out: list[str] = []
    for line in lines:
        if not line.startswith("| "):
            out.append(line)
            continue
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if set(line) <= set("|- "):
            continue
        if not out or not out[-1].startswith("   "):
            out += [".. list-table::", "   :header-rows: 1", ""]
        out += [f"   {'* -' if j == 0 else '  -'} {cell}" for j, cell in enumerate(cells)]
    return out


def _signature(
    _app: Any, _what: str, _name: str, _obj: Any, _opts: Any, arguments: str | None, result: str
) -> tuple[str | None, str]:
    # `field(default_factory=...)` shows as <factory>, which is no Python and breaks the layout.
    return arguments and arguments.replace("<factory>", "..."), result


def _skip(_app: Any, _what: str, _name: str, obj: Any, _skipped: bool, _opts: Any) -> bool | None:
    """The fields of a named tuple are described under its attributes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _check_api(_app: Sphinx) -> None:
    """Every public name of a sub-package has its line in api.md, and pages of old lines go."""
    listed = set(re.findall(r"^ +(gcl\.[\w.]+)$", (HERE / "api.md").read_text(), re.MULTILINE))
    for name in ("augment", "losses", "nn", "methods", "transforms", "evaluate", "datasets"):
        for public in importlib.import_module(f"gcl.{name}").__all__:
            # `gcl.Method` is shown at the top level, tables where they are defined.
            pattern = re.compile(rf"gcl\.({name}\.)?(\w+\.)?{public}")
            if not any(pattern.fullmatch(entry) for entry in listed):
                logging.getLogger(__name__).warning("docs/api.md lacks gcl.%s.%s", name, public)
    for page in (HERE / "api").glob("*.rst"):
        if page.stem not in listed:
            page.unlink()


def setup(app: Sphinx) -> None:
    # Before napoleon, which takes the sections apart.
    app.connect("autodoc-process-docstring", _to_rst, priority=100)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    app.connect("builder-inited", _check_api)
