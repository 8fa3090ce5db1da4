"""What formulas are made of: the names that mean something, and LaTeX of parts put together."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LETTERS = """
alpha beta gamma delta zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega
Gamma Delta Theta Lambda Sigma Phi Psi Omega
"""
_KNOWN_TO_LATEX = "log exp cos tanh max min"
_OTHERS = "mean softmax softplus relu sigmoid act sg std LSE KL ELU PReLU LeakyReLU MLP BN"
GREEK = {name: f"\\{name}" for name in _LETTERS.split()}
GREEK |= {"eps": r"\varepsilon", "lam": r"\lambda", "gam": r"\gamma"}
# What stands before its argument, with or without brackets.
FUNCTIONS = {name: f"\\{name}" for name in _KNOWN_TO_LATEX.split()}
FUNCTIONS |= {name: rf"\operatorname{{{name}}}" for name in _OTHERS.split()}
FUNCTIONS |= {"log2": r"\log_{2}", "sum": r"\sum"}
# With an index: what it runs over stands below.
OVER = {"sum": r"\sum", "mean": r"\operatorname*{mean}", "max": r"\max", "min": r"\min"}
RELATIONS = {
    "=": "=", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "->": r"\to", "<-": r"\gets", "~": r"\sim",
    "<": "<", ">": ">", "&": r"\cap",
}  # fmt: skip
_TALL = re.compile(r"\\(frac|sum|left[(\[]|max_|min_|operatorname\*)")
_OVER = re.compile(r"\\(sum|max_|min_|operatorname\*)")


class NotAFormula(ValueError):
    """A text that is no formula, or one that could be read in two ways."""


@dataclass(frozen=True)
class Part:
    """LaTeX of a part, as it stands in a line and as it stands in a fraction or an exponent."""

    kind: str  # atom, function, over, word, prose, sign
    tall: str
    flat: str
    bare: tuple[str, str] | None = None  # the same without the brackets around it
    index: str = ""  # of a sum, what it runs over


def upright(text: str) -> str:
    """Words, upright."""
    return rf"\text{{{text}}}".replace("_", r"\_")


def symbol_of(name: str) -> tuple[str, str] | None:
    """A letter and the number behind it, None for a word."""
    letters = name.rstrip("0123456789")
    digits = name[len(letters) :]
    if letters in GREEK:
        return GREEK[letters], digits
    if len(letters) == 1:
        return (r"\ell" if letters == "l" else letters), digits
    if re.fullmatch("[a-zA-Z]hat", letters) and letters not in ("that", "what"):
        return rf"\hat{{{letters[0]}}}", digits
    if letters[0] == "d" and (letters[1:] in GREEK or re.fullmatch("[A-Z]|z", letters[1:])):
        return rf"\mathrm{{d}}{letters_of(letters[1:])}", digits
    return None


def letters_of(name: str) -> str:
    if name in GREEK:
        return GREEK[name]
    return name.replace("l", r"\ell ").strip() if len(name) == 1 else upright(name)


def is_long(sub: str) -> bool:
    """Whether what stands below is a word, and not one letter an index: `pos`, not `ij`."""
    if sub in GREEK or not sub.isalpha():
        return False
    return sub == "in" or (len(sub) > 2 and not set(sub) <= set("abijk"))


def index_of(sub: str) -> str:
    parts = []
    for part in sub.split(","):
        if part in GREEK or is_long(part):
            parts.append(letters_of(part))
        else:
            parts.append("".join(r"\ell " if x == "l" else x for x in part).strip())
    return ",".join(parts)


def atom(latex: str, kind: str = "atom") -> Part:
    return Part(kind, latex, latex)


def sign_of(latex: str, kind: str = "sign") -> Part:
    return Part(kind, latex, latex)


def closed(opening: str, inner: str, closing: str) -> str:
    if _TALL.search(inner):
        return rf"\left{opening} {inner} \right{closing}"
    return f"{opening}{inner}{closing}"


def between(opening: str, closing: str, inner: Part) -> Part:
    tall, flat = (rf"\left{opening} {x} \right{closing}" for x in (inner.tall, inner.flat))
    return Part("atom", tall, flat)


def fraction(above: Part, below: Part) -> Part:
    top, bottom = (part.bare[1] if part.bare else part.flat for part in (above, below))
    tall = rf"\frac{{{top}}}{{{bottom}}}"
    # In a line, a slash behind a sum would not show where the sum ends.
    sums = any(_OVER.search(part.flat) for part in (above, below))
    return Part("atom", tall, tall if sums else f"{above.flat} / {below.flat}")


def joined(parts: list[Part]) -> Part:
    """One after the other, with the room between them that their kinds ask for."""
    if len(parts) == 1:
        return parts[0]
    tall = flat = ""
    for before, part in zip([None, *parts], parts, strict=False):
        gap = ""
        if before is not None and before.kind != "lead" and part.tall not in (",", ";", "."):
            gap = " "
            kinds = {before.kind, part.kind}
            if ("prose" in kinds and "sign" not in kinds) or part.kind == "lead":
                gap = r"\ "
            elif "word" in kinds and not kinds & {"sign", "over", "function"}:
                gap = r"\,"
            elif before.tall in (",", ";") and part.tall.startswith(r"\text"):
                gap = r"\ "
            elif part.tall in RELATIONS.values() and "\\" not in part.tall:
                gap = " "
        tall += gap + part.tall
        flat += gap + part.flat
    return Part("atom", tall, flat)
