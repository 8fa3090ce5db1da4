"""Indented blocks of docstrings: which of them are formulas, and how their lines are set.

    L_i = - w_i l(z1_i, z2_i) + ...,    lines of formulas, set below one another at their signs
    "mean"   S^K x     of all hops      rows: a name, a formula or a text, a note

What is neither, such as code, stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import formulas
from formula_parts import GREEK, NotAFormula, upright

# A piece of a line: what it is (math, text or code), and its LaTeX or its text.
Piece = tuple[str, str]


@dataclass
class Row:
    key: Piece
    meaning: list[Piece]
    note: list[Piece] = field(default_factory=list)


_OPERATORS = ("+", "-", "/", "*", "=", "<=", ">=", "->", "<-", "~", "!=")
_STARTS_WITH_SIGN = re.compile(r"(=|<=|>=|->|<-|~|!=|\+=|[<>*/])(\s|$)")
_ENDS_WITH_SIGN = re.compile(r"(^|\s)([-+*/=<>~]|<=|>=|->|<-|!=)$")
_KEY = re.compile(r'("[^"]+"|`[^`]+`|[^"`=]*?[^"`=,\s]|[^"`]+?:) {2,}(\S.*)')
_TEXT = re.compile(r"""[("]?\w[\w'’-]*(@\w+)?\*?[)"]?[,.;:]?|\(?\d+(\.\d+)?%?\)?[,.;:]?|%|\.\.""")


def marked(lines: list[str]) -> list[str]:
    """A docstring as reST: before every indented block, what makes formulas of it."""
    out: list[str] = []
    before = ""  # the last line that was not blank
    for i, line in enumerate(lines):
        # Indented text after a blank line, but for lists and what backticks make code.
        opens = line.startswith(" ") and i > 0 and not lines[i - 1].strip()
        if opens and not before.startswith((" ", "- ")) and not line.lstrip().startswith("`"):
            out += [".. formulas::", ""]
        out.append(line)
        before = line if line.strip() else before
    return out


def formula(text: str) -> str | None:
    """The LaTeX of a block of formulas, for `align*` where it has several lines."""
    try:
        rows = [_set(line) for line in _lines(text)]
    except NotAFormula:
        return None
    if not rows:
        return None
    if len(rows) == 1:
        left, right, note = rows[0]
        return " ".join(x for x in (left, right, note and rf"\qquad {note}") if x)
    # Notes stand below one another where every line has one.
    notes = all(note for _, _, note in rows)
    between = "&&" if notes else r"\qquad"
    return " \\\\\n".join(
        f"{left} & {right}".strip() + (f" {between} {note}" if note else "")
        for left, right, note in rows
    )


def rows(text: str) -> list[Row] | None:
    """The rows of a block of names and what they mean."""
    found: list[list[str]] = []
    lines = [line.rstrip() for line in _dedented(text)]
    for line in lines:
        told = _KEY.fullmatch(line)
        if line.startswith(" ") and found:
            found[-1].append(line.strip())
        elif told and not _STARTS_WITH_SIGN.match(told[2]):
            found.append([told[1], told[2]])
        else:
            return None
    if len(found) < 2:
        return None
    names = all(re.fullmatch(r"[\w@]+(, [\w@]+)*", key) for key, *_ in found)
    out = []
    for key, *meaning in found:
        parts = re.split(r" {3,}", " ".join(meaning), maxsplit=1)
        out.append(Row(_key(key, names), *map(_meaning, parts)))
    return out


def _dedented(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    width = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return [line[width:] for line in lines]


def _open(text: str) -> int:
    return len(re.findall(r"[(\[{]", text)) - len(re.findall(r"[)\]}]", text))


def _lines(text: str) -> list[str]:
    """Lines as they are to be set: one that ends within brackets goes on."""
    out: list[str] = []
    for line in _dedented(text):
        told = line.strip()
        within = bool(out) and (
            _open(out[-1]) > 0 or _ENDS_WITH_SIGN.search(out[-1]) or out[-1].endswith(" of")
        )
        goes_on = bool(out) and line.startswith(" ") and not told.startswith(_OPERATORS)
        if within or goes_on:
            out[-1] += " " + told
        else:
            out.append(told)
    return out


def _segments(line: str) -> list[tuple[str, str]]:
    """Parts of a line with the room before them; signs in the middle of wide room part nothing."""
    out: list[tuple[str, str]] = []
    room = ""
    for told in re.split(r"( {2,})", line):
        if not told.strip():
            room = told
        elif out and (
            _open(out[-1][1]) > 0
            or _ENDS_WITH_SIGN.search(out[-1][1])
            or _STARTS_WITH_SIGN.match(told)
            or told in _OPERATORS
        ):
            out[-1] = (out[-1][0], f"{out[-1][1]} {told}")
        else:
            out.append((room, told))
    return out


def _set(line: str) -> tuple[str, str, str]:
    """LaTeX before the sign, from it on, and of the note behind it."""
    left = right = note = ""
    seen = False
    for room, told in _segments(line):
        try:
            before, after = _halves(told)
            is_formula = True
        except NotAFormula:
            before, after, is_formula = "", _latex(mixed(told)), False
        if note:
            note += rf" \quad {before} {after}".replace("  ", " ")
        elif not is_formula and seen and len(room) > 2 and not right.endswith(","):
            note = after
        elif right:
            right += rf" \quad {before} {after}".replace("  ", " ")
        else:
            left, right = before, after
            if line[0] in "+-" and not left:
                right = rf"\quad {right}"
        seen = seen or is_formula
    if not seen:
        raise NotAFormula(f"{line!r}: only words")
    return left, right, note


def _halves(text: str) -> tuple[str, str]:
    """Of one formula, the comma or the full stop behind it included."""
    told = text.rstrip(" ,.") if not text.endswith("..") else text
    end = text[len(told) :].strip()
    try:
        left, right = formulas.halves(told)
    except NotAFormula:
        # mu_k = the direction of ...
        name, sign, words = told.partition(" = ")
        if not sign or not re.match(r"(the|mean|number) ", words):
            raise
        left, right = formulas.latex(name), f"= {_latex(mixed(words))}"
    return left, right + end


def mixed(text: str) -> list[Piece]:
    """A text with formulas in it: every part of it that has signs must be one."""
    words = text.split()
    out: list[Piece] = []
    at = 0
    while at < len(words):
        code = re.match(r"(\(?)`([^`\s]+)`(\S*)$", words[at])
        found = None if code else _longest(words, at)
        if code:
            _say(out, code[1])
            out.append(("code", code[2]))
            _say(out, code[3], glued=True)
            at += 1
        elif found:
            latex, end, at = found
            out.append(("math", latex))
            _say(out, end, glued=True)
        elif _TEXT.fullmatch(words[at]):
            _say(out, words[at])
            at += 1
        else:
            raise NotAFormula(f"{text!r}: {words[at]!r} is neither a word nor a formula")
    return out


def _longest(words: list[str], at: int) -> tuple[str, str, int] | None:
    """The longest formula from a word on, the punctuation behind it, and where it ends."""
    counts = words[at].isdigit() and words[at + 1 : at + 2] in (["-"], ["+"], ["*"], ["/"])
    if not (counts or _looks_like_mathematics(words[at])):
        return None
    for stop in range(len(words), at, -1):
        told = " ".join(words[at:stop])
        bare = told.rstrip(",.;:")
        if _open(bare) < 0:
            bare = bare.removesuffix(")")
        try:
            return formulas.latex(bare, words=False), told[len(bare) :], stop
        except NotAFormula:
            continue
    return None


def _looks_like_mathematics(word: str) -> bool:
    bare = word.strip(",.;:()")
    return (
        bool(re.search(r"[_^<>|=+*/{}\[#]", word))
        or bare in GREEK
        or bare in ("log", "exp")
        or (len(bare) == 1 and bare.isalpha() and bare not in "aAI")
        or bool(re.fullmatch(r"[a-zA-Z]+\d|\w+\(.*", bare))
    )


def _say(out: list[Piece], text: str, glued: bool = False) -> None:
    if not text:
        return
    if out and out[-1][0] == "text":
        out[-1] = ("text", out[-1][1] + ("" if glued else " ") + text)
    else:
        out.append(("text", text))


def _latex(pieces: list[Piece]) -> str:
    """Pieces as one formula, words upright."""
    out = ""
    for kind, told in pieces:
        if kind == "text" and re.match(r"[,.;:)]", told):
            out = out.removesuffix(r"\ ")
        latex = {
            "math": told,
            "code": rf"\texttt{{{told}}}".replace("_", r"\_"),
            "text": upright(told),
        }[kind]
        out += latex + ("" if kind == "text" and told == "(" else r"\ ")
    return out.removesuffix(r"\ ")


def _key(key: str, names: bool) -> Piece:
    if key.startswith("`"):
        return "code", key.strip("`")
    if names or key.startswith('"'):
        return "code", key
    try:
        return "math", formulas.latex(key.removesuffix(":"), words=bool(re.search("[<>=]", key)))
    except NotAFormula:
        return "text", key


def _meaning(text: str) -> list[Piece]:
    """A formula with what is said of it, a text with formulas, or just the text."""
    out: list[Piece] = []
    for _, told in _segments(text):
        try:
            latex = " ".join(_halves(told)).strip()
            # A sentence with formulas in it, or a formula with words in it?
            if not re.search(r"\\text\{\w+ ", latex):
                out.append(("math", latex))
                continue
            try:
                out += mixed(told)
            except NotAFormula:
                out.append(("math", latex))
        except NotAFormula:
            try:
                out += mixed(told)
            except NotAFormula:
                out += _plain(told)
    return out


def _plain(text: str) -> list[Piece]:
    """A text as it is, code where it has backticks."""
    parts = re.split(r"`([^`]+)`", text)
    return [("code" if i % 2 else "text", part.strip()) for i, part in enumerate(parts) if part]
