"""Sphinx configuration: `make docs` builds from here, and every warning is an error."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import formula_blocks
import inventories
import papers

import gcl

project = "gcl"
author = "the gcl authors"
copyright = "2026, the gcl authors"
version = release = gcl.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery_src"]
templates_path = ["_templates"]
default_role = "code"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"gcl {release}"
html_favicon = "_static/icon.svg"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["gcl.css"]
html_js_files = ["sorting.js"]
html_theme_options = {"navigation_with_keys": True}

# Prompts are no part of a command.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline", "colon_fence"]

# Without network: the few names of others that ours show. GCL_INTERSPHINX=1 fetches all of them.
intersphinx_mapping = {
    name: (address, None if os.environ.get("GCL_INTERSPHINX") else inventories.written(HERE, name))
    for name, address in inventories.ADDRESSES.items()
}
intersphinx_timeout = 20

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
    "within_subsection_order": "figure_scraper.place",
    "remove_config_comments": True,
    "capture_repr": (),  # an example prints what it has to say
    "min_reported_time": 600,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "thumbnail_size": (800, 560),
}

_NUMBER = re.compile(r"[(<]?[+-]?\d[\d.,]*\)?,?|[±/▲%]")  # each word of a cell of numbers
_SECTION = re.compile(
    r"(Args|Attributes|Example|Raises|Reference|Returns|Shape|Yields):\s*$", re.ASCII
)


def _to_rst(_app: Any, what: str, _name: str, _obj: Any, _opts: Any, lines: list[str]) -> None:
    """Docstrings are written to be read as text: turn their formulas and tables into reST."""
    head = next((i for i, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    out = formula_blocks.marked(lines[:head])
    rest = _references(lines[head:])
    # napoleon takes what stands before a colon in the first line of a variable for its type.
    lines[:] = (["", *out] if what == "data" else _tables(out)) + rest


def _references(lines: list[str]) -> list[str]:
    """The papers of a reference, linked."""
    out: list[str] = []
    for i, line in enumerate(lines):
        if i and lines[i - 1].strip() == "Reference:":
            length = next((j for j, x in enumerate(lines[i:]) if not x.strip()), len(lines) - i)
            out += ["    " + told for told in papers.linked(lines[i : i + length])]
            lines = lines[:i] + [""] * length + lines[i + length :]
            return [*out, *_references(lines[i + length :])]
        out.append(line)
    return out


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


def _skip(_app: Any, _what: str, name: str, obj: Any, _skipped: bool, _opts: Any) -> bool | None:
    """Fields of a named tuple are described under its attributes; some methods are scikit-learn's.

    Those route metadata, which nothing here does, and refer to its own pages.
    """
    routes = re.fullmatch(r"set_\w+_request|get_metadata_routing", name)
    return True if routes or type(obj).__name__ == "_tuplegetter" else None


def _short_names(_app: Any, docname: str, source: list[str]) -> None:
    """Tables of the API show `InfoNCE`; the heading above says where it is."""
    if docname == "api":
        source[0] = re.sub(r"^   (gcl\.[\w.]+)$", r"   ~\1", source[0], flags=re.MULTILINE)


def _tables_to_be_read(_app: Any, doctree: nodes.document) -> None:
    """`72.6 ± 0.8` stays on one line, numbers on the right, and commits in the results files."""
    for told in list(doctree.findall(nodes.Text)):
        kept = re.sub(r" ([±/]) (?=\d)", "\u00a0\\1\u00a0", told)
        if kept != told and not isinstance(told.parent, nodes.literal):
            told.parent.replace(told, nodes.Text(kept))
    for group in list(doctree.findall(nodes.tgroup)):
        heads = [entry.astext() for entry in group.findall(nodes.thead)][:1]
        rows = list(group.findall(nodes.row))
        if heads and rows[0].children[-1].astext() == "commits":
            for row in rows:
                row.remove(row.children[-1])
            group.remove([x for x in group.children if isinstance(x, nodes.colspec)][-1])
            group["cols"] -= 1
        for head, *cells in list(zip(*(row.children for row in rows), strict=False))[1:]:
            told = [word for cell in cells for word in cell.astext().split()]
            if heads and told and all(map(_NUMBER.fullmatch, told)):
                for cell in (head, *cells):
                    cell["classes"] = ["text-right"]


def _check_api(_app: Sphinx) -> None:
    """Every public name of a sub-package has its line in api.md, and pages of old lines go."""
    listed = set(re.findall(r"^ +(gcl\.[\w.]+)$", (HERE / "api.md").read_text(), re.MULTILINE))
    for name in (
        "augment", "data", "losses", "nn", "methods", "transforms", "evaluate", "datasets",
    ):  # fmt: skip
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
    app.connect("source-read", _short_names)
    app.connect("doctree-read", _tables_to_be_read)
