"""Formulas on the pages: LaTeX becomes MathML at build time, which browsers draw by themselves.

No script and no network: latex2mathml translates, and what it leaves half done is mended here.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

import formula_blocks
from docutils import nodes
from latex2mathml.converter import convert_to_element
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Element = ElementTree.Element
_BELOW = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_RELATIONS = tuple("=<>≤≥≠→←∼∈∉∩")
_LINES = ("\\begin{align*}\n", "\n\\end{align*}")
_SMALL = {"width": "0.1667em"}


def mathml(latex: str, block: bool) -> str:
    """Of a formula, or of the lines of an `align*`."""
    lines = latex.removeprefix(_LINES[0]).removesuffix(_LINES[1])
    rows = [re.split(r"(?<!\\)&&?", row) for row in re.split(r"\\\\\n", lines)]
    math = ElementTree.Element("math", {"xmlns": "http://www.w3.org/1998/Math/MathML"})
    if block:
        math.set("display", "block")
    if len(rows) == len(rows[0]) == 1:
        math.append(_cell(latex))
    else:
        table = ElementTree.SubElement(math, "mtable")
        for row in rows:
            line = ElementTree.SubElement(table, "mtr")
            for cell in row:
                ElementTree.SubElement(line, "mtd").append(_cell(cell))
    return ElementTree.tostring(math, encoding="unicode")


def _cell(latex: str) -> Element:
    """One formula, in the size of a display."""
    style = ElementTree.Element("mstyle", {"displaystyle": "true"})
    for child in convert_to_element(latex.strip()) if latex.strip() else ():
        style.append(child)
    for node in style.iter():
        node.text = html.unescape(node.text).replace(r"\_", "_") if node.text else node.text
    _tidy(style)
    return style


def _tidy(node: Element) -> None:
    """Names of functions with TeX's room around them, limits below sums, all signs as signs."""
    for child in node:
        _tidy(child)
    if node.tag == "mi" and node.text in ("~", "‖", ":"):
        node.tag = "mo"
        node.text = {"~": "∼"}.get(node.text, node.text)
    if node.tag == "mo" and re.fullmatch(r"[A-Za-z]\w*", node.text or ""):
        node.tag = "mi"
        node.set("class", "limits" if node.attrib.pop("movablelimits", "") else "name")
        if node.text in ("max", "min"):
            node.set("class", "limits")
    if node.tag == "mtext" and node.attrib.pop("mathvariant", ""):
        node.set("class", "code")
    elif node.tag == "mtext" and re.fullmatch(r"\w+", node.text or ""):
        # A name: what is text takes no part in the room around signs.
        node.tag = "mi"
        node.set("class", "word")
    if node.tag in _BELOW and (node[0].text == "∑" or node[0].get("class") == "limits"):
        node.tag = _BELOW[node.tag]
    if node.tag == "mo" and node.text == "‖" and "form" not in node.attrib:
        node.attrib.update(stretchy="false", form="infix", lspace="0.2222em", rspace="0.2222em")
    _room(node)


def _room(node: Element) -> None:
    """A thin space between a function and what stands beside it, but for brackets and signs."""
    if node.tag in _BELOW or node.tag in (*_BELOW.values(), "mfrac", "mtext"):
        return
    out: list[Element] = []
    for child in list(node):
        if out and (
            (_is_function(child) and not _opens_or_joins(out[-1]))
            or (_is_function(out[-1]) and not _stands_close(child))
        ):
            out.append(ElementTree.Element("mspace", _SMALL))
        if child.tag == "mo" and child.text in ("−", "+") and "form" not in child.attrib:
            leads = not out or _opens_or_joins(out[-1])
            # A line that goes on starts with a sign between two terms.
            child.set("form", "prefix" if leads and not _is_wide(out) else "infix")
        if child.tag == "mo" and child.text in _RELATIONS:
            child.set("form", "infix")  # also where a line starts with it
        out.append(child)
    node[:] = out


def _is_wide(before: list[Element]) -> bool:
    return len(before) == 1 and before[0].get("width") == "1em"


def _is_function(node: Element) -> bool:
    while node.tag in _BELOW or node.tag in _BELOW.values():
        node = node[0]
    return node.tag == "mi" and len(node.text or "") > 1 and node.get("class") != "word"


def _stands_close(node: Element) -> bool:
    """Whether it has room of its own, as signs have, or needs none, as brackets."""
    fenced = node.tag == "mrow" and len(node) > 0 and node[0].get("form") == "prefix"
    brackets = fenced and node[0].text in ("(", "[")
    return brackets or node.tag == "mspace" or (node.tag == "mo" and node.text != "∑")


def _opens_or_joins(node: Element) -> bool:
    return node.tag == "mspace" or (node.tag == "mo" and node.text not in (")", "]"))


class Formulas(SphinxDirective):
    """A block as docstrings write it: formulas, rows of names and meanings, or neither."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        rows = formula_blocks.rows(text)
        if rows is not None:
            return [_table(rows)]
        latex = formula_blocks.formula(text)
        if latex is None:
            literal = nodes.literal_block(text, text)
            self.set_source_info(literal)
            return [literal]
        lines = "&" in latex
        told = latex.join(_LINES) if lines else latex
        block = nodes.math_block(told, told, number=None, label=None, docname=self.env.docname)
        block["no-wrap"] = block["nowrap"] = lines  # it has an environment of its own
        self.set_source_info(block)
        return [block]


def _table(rows: list[formula_blocks.Row]) -> nodes.table:
    columns = [
        [_keys(row.key) for row in rows],
        [_inline(row.meaning) for row in rows],
        [_inline(row.note) for row in rows],
    ]
    if not any(row.note for row in rows):
        del columns[-1]
    cells = [[nodes.paragraph("", "", *cell) for cell in column] for column in columns]
    group = nodes.tgroup(cols=len(cells))
    for column in cells:  # as wide as their text, for pages that are text
        group += nodes.colspec(colwidth=max(len(cell.astext()) for cell in column))
    body = nodes.tbody()
    for line in zip(*cells, strict=True):
        body += nodes.row("", *(nodes.entry("", cell) for cell in line))
    group += body
    return nodes.table("", group, classes=["formulas"])


def _keys(key: formula_blocks.Piece) -> list[nodes.Node]:
    kind, told = key
    if kind != "code":
        return _inline([key])
    out: list[nodes.Node] = []
    for name in told.split(", "):
        out += [nodes.Text(", "), nodes.literal(name, name)] if out else [nodes.literal(name, name)]
    return out


def _inline(pieces: list[formula_blocks.Piece]) -> list[nodes.Node]:
    make = {"math": nodes.math, "code": nodes.literal, "text": lambda _, told: nodes.Text(told)}
    out: list[nodes.Node] = []
    for kind, told in pieces:
        close = kind == "text" and re.match(r"[,.;:)]", told)
        if out and not close and not out[-1].astext().endswith("("):
            out.append(nodes.Text(" "))
        out.append(make[kind](told, told))
    return out


def _visit_inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _visit_block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("formulas", Formulas)
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
