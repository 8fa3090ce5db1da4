"""A formula as docstrings write it, `log sum_{j != i} exp( <q_i, k_j> / tau )`, as LaTeX.

A formula is read in full, or `NotAFormula` is raised: what could be read in two ways, such as
`a / b c`, is refused, so that no page shows a formula that its docstring does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from formula_parts import (
    FUNCTIONS,
    OVER,
    RELATIONS,
    NotAFormula,
    Part,
    atom,
    between,
    closed,
    fraction,
    index_of,
    is_long,
    joined,
    letters_of,
    sign_of,
    symbol_of,
    upright,
)  # fmt: skip

_PRODUCTS = {"*": r"\cdot", "⊙": r"\odot"}
_BRACKETS = {"(": ")", "[": "]"}
_BARS = {"|": ("\\lvert", "\\rvert"), "||": ("\\lVert", "\\rVert")}
# Words that join what is no product.
_JOINING = """
an and at by each every for from has if in inside is not of once or over the to where with without
"""
_CONNECTIVES = set(_JOINING.split())
_TOKEN = re.compile(
    r"""(?P<number>\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z][A-Za-z0-9]*)
      | (?P<sub>_(?:\{|:?[A-Za-z0-9]+(?:,[A-Za-z0-9]+)*(?::(?=\)))?))
      | (?P<prime>'+)
      | (?P<sign><=|>=|!=|->|<-|\|\||\.{2,3}|[-+*/=<>~|&#()\[\]{},;:.^⊙])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    space: bool  # whether a space stands before it
    after: bool  # whether one stands behind it


def latex(text: str, words: bool = True) -> str:
    """The LaTeX of a formula; with `words=False` of one in which all names are symbols."""
    return " ".join(half for half in halves(text, words) if half)


def halves(text: str, words: bool = True) -> tuple[str, str]:
    """The LaTeX before the first relation, and from it on."""
    reader = _Reader(text, words)
    parts = reader.sequence("")
    if reader.token.kind != "end":
        raise NotAFormula(f"{text!r}: {reader.token.text!r} is not expected")
    if not reader.symbols:
        raise NotAFormula(f"{text!r}: only words")
    relations = [i for i, part in enumerate(parts) if part.tall in RELATIONS.values()]
    if reader.prose and not relations and text.lstrip()[:1] not in ("+", "-"):
        raise NotAFormula(f"{text!r}: a sentence")
    cut = relations[0] if relations else 0
    return joined(parts[:cut]).tall, joined(parts[cut:]).tall


class _Reader:
    def __init__(self, text: str, words: bool) -> None:
        self.text, self.words = text, words
        self.symbols = 0
        self.prose = False  # whether there were any words that join others
        self.bars: list[str] = []  # those that are open
        self.divergence = False  # inside KL(p || q)
        self.tokens = []
        at, space = 0, True
        while at < len(text):
            if text[at].isspace():
                at, space = at + 1, True
                continue
            found = _TOKEN.match(text, at)
            if found is None:
                raise NotAFormula(f"{text!r}: {text[at]!r} is no part of a formula")
            at = found.end()
            after = at == len(text) or text[at].isspace()
            self.tokens.append(_Token(found.lastgroup or "", found[0], space, after))
            space = False
        self.tokens += [_Token("end", "", True, True)] * 3
        self.at = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    @property
    def following(self) -> _Token:
        return self.tokens[self.at + 1]

    def take(self, text: str = "") -> _Token:
        token = self.token
        if text and token.text != text:
            raise NotAFormula(f"{self.text!r}: {text!r} is missing before {token.text!r}")
        self.at += 1
        return token

    def sequence(self, closers: str) -> list[Part]:
        """Sums, relations and commas up to what closes them."""
        parts: list[Part] = []
        while self.token.kind != "end" and not (self.token.text and self.token.text in closers):
            text = self.token.text
            relation = self._relation(begins=not parts or parts[-1].kind == "sign")
            if relation:
                parts.append(relation)
            elif parts and self._separates(closers):
                parts.append(sign_of(self.take().text))
            elif text == "." and self.bars:
                self.take()
                parts.append(atom(r"\cdot"))
            elif parts and parts[-1].kind != "sign":
                raise NotAFormula(f"{self.text!r}: {text!r} is not expected")
            else:
                parts.append(self.total())
        if not parts or parts[-1].tall in RELATIONS.values():
            raise NotAFormula(f"{self.text!r}: something is missing")
        return parts

    def _separates(self, closers: str) -> bool:
        """Whether this is a comma, another mark within brackets, or the full stop."""
        text = self.token.text
        ends = text == "." and self.following.kind == "end"
        return text == "," or (text in (":", ";") and closers != "") or ends

    def _relation(self, begins: bool) -> Part | None:
        text = self.token.text
        if text == "||" and self.divergence and self.token.space and not self.bars:
            self.take()
            return sign_of(r"\Vert")
        if text in RELATIONS and not (text == "<" and self._angle(begins)):
            self.take()
            return sign_of(RELATIONS[text])
        negated = text == "not" and self.following.text == "in"
        if negated or (text == "in" and self._names_a_set(self.following)):
            self.at += 1 + negated
            return sign_of(r"\notin" if negated else r"\in")
        return None

    @staticmethod
    def _names_a_set(token: _Token) -> bool:
        return token.text == "[" or (token.kind == "name" and token.text[:1].isupper())

    def total(self) -> Part:
        """Products with signs between them."""
        parts = []
        if self.token.text in ("+", "-"):
            parts.append(sign_of(self.take().text, "lead"))
        parts.append(self.product())
        while self.token.text in ("+", "-"):
            # of - mean_i, about -2 t: no difference.
            close = self.token.space and not self.token.after
            if parts[-1].kind == "prose" or (parts[-1].kind == "word" and close):
                parts.append(sign_of(f"{{{self.take().text}}}", "lead"))
            else:
                parts.append(sign_of(self.take().text))
            parts.append(self.product())
        if len(parts) == 1:
            return parts[0]
        return joined(parts)

    def product(self) -> Part:
        done: list[Part] = []
        run = [self.factor()]
        divided = False  # whether the next factor could belong to a denominator
        while True:
            text = self.token.text
            if text in _PRODUCTS:
                self.take()
                done += [*run, sign_of(_PRODUCTS[text])]
                run, divided = [self.factor()], False
            elif text == "/":
                self.take()
                if divided:
                    raise NotAFormula(f"{self.text!r}: which is divided by what?")
                run, divided = self._divided(run), True
            elif self._starts(run[-1]):
                run.append(self.factor())
                if divided and run[-1].kind not in ("over", "prose"):
                    raise NotAFormula(f"{self.text!r}: what is in the denominator?")
                divided = False
            else:
                break
        if run[-1].kind == "over":
            raise NotAFormula(f"{self.text!r}: a sum of what?")
        return joined(done + run)

    def _divided(self, run: list[Part]) -> list[Part]:
        """The run up to a slash, over what comes behind it."""
        below = [self.factor()]
        if below[0].kind == "over":
            while self._starts(below[-1]) and not self._is_prose():
                below.append(self.factor())
        if below[-1].kind in ("function", "over", "prose") or run[-1].kind == "prose":
            raise NotAFormula(f"{self.text!r}: what is divided by what?")
        heads = [i for i, part in enumerate(run) if part.kind in ("function", "over", "prose")]
        start = heads[-1] + 1 if heads else 0
        # sum_p w_p l_p / sum_p w_p: below, p is another, so that the first sum ends at the slash.
        same = [i for i in heads if run[i].index and run[i].index == below[0].index]
        if same:
            start = same[0]
            heads = [i for i in heads if i < start]
        if heads and run[heads[-1]].kind == "function":
            raise NotAFormula(f"{self.text!r}: is the function divided, or what it takes?")
        return [*run[:start], fraction(joined(run[start:]), joined(below))]

    def _starts(self, before: Part | None = None) -> bool:
        """Whether a factor begins here, behind another or where one must."""
        must = before is None or before.kind in ("function", "over")
        token = self.token
        if token.kind in ("number", "name"):
            stands_alone = token.text == "in" and self._names_a_set(self.following)
            return not (stands_alone or (token.text, self.following.text) == ("not", "in"))
        if token.text in _BARS:
            among = self.divergence and token.space and token.after
            return not among and (not self.bars or self.bars[-1] != token.text)
        return token.text in ("(", "[", "..", "...", "#") or (
            token.text == "<" and self._angle(must)
        )

    def factor(self) -> Part:
        part = self._scripts(self._base())
        if self.token.text == "/" and not (self.token.space or self.token.after):
            if part.flat.endswith("}") and re.search(r"\^\{\d+\}$", part.flat):
                raise NotAFormula(f"{self.text!r}: is the exponent divided?")
            self.take()
            part = fraction(part, self._scripts(self._base()))
        return part

    def _base(self) -> Part:
        token = self.token
        if token.kind == "name":
            return self._name()
        if token.kind == "number":
            self.take()
            self.symbols += 1
            number = atom(token.text)
            # 2m
            if self.token.kind == "name" and not self.token.space:
                return joined([number, self._scripts(self._base())])
            return number
        if token.text in ("..", "..."):
            self.take()
            return atom(r"\dots")
        if token.text in _BRACKETS:
            return self._bracket()
        if token.text in _BARS:
            self.take()
            self.bars.append(token.text)
            inner = joined(self.sequence(token.text))
            self.take(token.text)
            self.bars.pop()
            return between(*_BARS[token.text], inner)
        if token.text == "<" and self._angle(True):
            self.take()
            inner = joined(self.sequence(">"))
            self.take(">")
            return between(r"\langle", r"\rangle", inner)
        if token.text == "#" and self.following.text == "{":
            self.at += 2
            inner = joined(self.sequence("}"))
            self.take("}")
            return atom(rf"\#\{{ {inner.flat} \}}")
        raise NotAFormula(f"{self.text!r}: {token.text!r} is not expected")

    def _bracket(self) -> Part:
        opening = self.take().text
        bars, self.bars = self.bars, []
        # [0, 1) is closed by the other one.
        parts = self.sequence(")" if opening == "(" else "])")
        self.bars = bars
        closing = self.take().text
        if not closing:
            raise NotAFormula(f"{self.text!r}: {opening!r} is not closed")
        inner = joined(parts)
        commas = [part for part in parts if part.tall == ","]
        if closing != _BRACKETS[opening] and len(commas) != 1:
            raise NotAFormula(f"{self.text!r}: {opening!r} is closed by {closing!r}")
        return Part(
            "atom",
            closed(opening, inner.tall, closing),
            closed(opening, inner.flat, closing),
            (inner.tall, inner.flat) if opening == "(" and not commas else None,
        )

    def _angle(self, must: bool) -> bool:
        """Whether this < opens <a, b>: what has a room on both sides may compare, i < j, a > b."""
        if self.token.after and not must:
            return False
        depth, commas = 0, 0
        for token in self.tokens[self.at + 1 :]:
            if token.text in ("(", "[", "{", "_{"):
                depth += 1
            elif token.text in (")", "]", "}"):
                depth -= 1
            commas += token.text == "," and depth == 0
            if depth < 0 or token.kind == "end":
                return False
            if token.text == ">" and depth == 0:
                return commas == 1
        return False

    # Names.

    def _is_word(self, at: int) -> bool:
        """Whether an ordinary word stands there: no symbol, no function, nothing attached."""
        token, behind = self.tokens[at], self.tokens[at + 1]
        if token.kind != "name" or not token.text.isalpha() or len(token.text) == 1:
            return False
        attached = not behind.space and (
            behind.kind in ("sub", "prime") or behind.text in ("(", "^", "[")
        )
        return not attached and symbol_of(token.text) is None and token.text not in FUNCTIONS

    def _is_article(self, at: int) -> bool:
        behind = self.tokens[at + 1].text
        among = behind in ("of", "and", "over", "for", "in")
        return self.tokens[at].text == "a" and self._is_word(at + 1) and not among

    def _is_prose(self) -> bool:
        """Whether words begin here that are no name: two of them, or one that joins."""
        text, behind = self.token.text, self.at + 1
        if text in ("sum", "mean", "min", "max", "LSE"):
            return self.token.after and self.tokens[behind].text in ("of", "over", "and")
        if self._is_article(self.at):
            raise NotAFormula(f"{self.text!r}: an article, or a factor?")
        if not self._is_word(self.at):
            return False
        return text in _CONNECTIVES or self._is_word(behind) or self._is_article(behind)

    def _prose(self) -> Part:
        words = [self.take().text]
        while (self._is_word(self.at) and not self._set_follows()) or self._is_article(self.at):
            words.append(self.take().text)
        self.prose = True
        if not self.words:
            raise NotAFormula(f"{self.text!r}: {' '.join(words)!r} is no symbol")
        return atom(upright(" ".join(words)), "prose")

    def _set_follows(self) -> bool:
        return self.token.text == "in" and self._names_a_set(self.following)

    def _name(self) -> Part:
        if self._is_prose():
            return self._prose()
        name = self.take().text
        # e+
        if self.token.text == "+" and not self.token.space and self.token.after and len(name) == 1:
            self.take()
            return atom(f"{letters_of(name)}^{{+}}")
        symbol = symbol_of(name)
        self.symbols += symbol is not None or self.token.kind == "sub"
        applied = not self.token.space and self.token.text == "("
        if name in OVER and not self.token.space and self.token.kind == "sub":
            return self._over(name)
        if name == "sqrt" and applied:
            inner = self._bracket()
            tall, flat = inner.bare or (inner.tall, inner.flat)
            return Part("atom", rf"\sqrt{{{tall}}}", rf"\sqrt{{{flat}}}")
        if name in ("sum", "mean") and not applied and self._starts():
            return Part("over", FUNCTIONS[name], FUNCTIONS[name], index=" ")
        if name in FUNCTIONS and (applied or self._starts() or self.token.kind == "sub"):
            return self._applied(atom(FUNCTIONS[name], "function"), name)
        while symbol is None and self.token.kind == "sub" and not self.token.space:
            if not is_long(self.token.text[1:]):
                break
            name += self.take().text
        if symbol is None and self.token.kind == "prime":
            raise NotAFormula(f"{self.text!r}: an apostrophe")
        self.symbols += applied
        if symbol is None and not self.token.space and self.token.text == "(":
            return self._applied(atom(rf"\operatorname{{{name}}}".replace("_", r"\_")), name)
        if symbol is None:
            if not self.words and "_" not in name and self.token.kind != "sub":
                raise NotAFormula(f"{self.text!r}: {name!r} is no symbol")
            part = self._scripts(atom(upright(name), "word"))
            if not self.token.space and self.token.text == "(":
                part = self._applied(atom(part.tall), name)
            return part
        base, digits = symbol
        if self.token.text == "^" and self._is_hat():
            self.take()
            base = rf"\hat{{{base}}}"
        if self.token.kind == "sub" and self.token.text == "_hat":
            self.take()
            base = rf"\hat{{{base}}}"
        part = self._scripts(atom(base), digits)
        if not self.token.space and self.token.text in ("(", "["):
            part = self._applied(part, name)
        return part

    def _is_hat(self) -> bool:
        behind = self.following
        return self.token.after or (behind.text in (")", ",") or behind.kind == "sub")

    def _applied(self, head: Part, name: str) -> Part:
        """A function, with its argument where that stands in brackets."""
        head = self._scripts(head)
        if self.token.space or self.token.text not in _BRACKETS:
            if head.kind != "function":
                raise NotAFormula(f"{self.text!r}: {name} of what?")
            return head
        self.divergence, before = name == "KL", self.divergence
        argument = self._bracket()
        self.divergence = before
        return Part("atom", head.tall + argument.tall, head.flat + argument.flat)

    def _over(self, name: str) -> Part:
        sub = self.token.text
        if is_long(sub[1:]):
            raise NotAFormula(f"{self.text!r}: {name}{sub} is a name, and starts as a {name}")
        if sub == "_{":
            start = self.at + 1
            inner = self._braced()
            index = "".join(token.text for token in self.tokens[start:][:1])
            limits = re.fullmatch(r"(.+=.+?) ?\\dots(?:\\,| )(.+)", inner)
            below = f"_{{{limits[1]}}}^{{{limits[2]}}}" if limits else f"_{{{inner}}}"
        else:
            index = self.take().text[1:]
            below = f"_{{{index_of(index)}}}"
        return Part("over", OVER[name] + below, OVER[name] + below, index=index)

    # What stands above and below.

    def _braced(self) -> str:
        self.take()
        bars, self.bars = self.bars, []
        inner = joined(self.sequence("}")).flat
        self.bars = bars
        self.take("}")
        return inner

    def _scripts(self, part: Part, digits: str = "") -> Part:
        below, above, primes = [digits] if digits else [], "", ""
        while not self.token.space:
            if self.token.kind == "prime":
                primes += self.take().text
            elif self.token.kind == "sub":
                braced = self.token.text == "_{"
                below.append(self._braced() if braced else index_of(self.take().text[1:]))
            elif self.token.text == "^" and not above:
                self.take()
                above = self._exponent(part.flat)
            else:
                break
        if not (below or above or primes):
            return part
        # What stands above a fraction stands above its brackets, which a name has none of.
        after = primes
        if below:
            after += f"_{{{','.join(below)}}}"
        if above:
            after += f"^{{{above}}}"
        return Part(part.kind, part.tall + after, part.flat + after)

    def _exponent(self, base: str) -> str:
        sign = ""
        if self.token.text == "{" and not self.token.space:
            return self._braced()
        if self.token.text == "(" and not self.token.space:
            return self._bracket().flat
        if self.token.text == "-":
            sign = self.take().text
        token = self.take()
        if token.space or token.kind not in ("number", "name"):
            raise NotAFormula(f"{self.text!r}: what is the exponent?")
        if token.kind == "number":
            text = token.text
            if self.token.text == "/" and not self.token.space:
                if not sign or self.following.kind != "number":
                    raise NotAFormula(f"{self.text!r}: is the exponent divided?")
                self.take()
                text += f"/{self.take().text}"
            return sign + text
        symbol = symbol_of(token.text)
        text = r"\top" if token.text == "T" else letters_of(token.text)
        if symbol and symbol[1]:
            text = f"{symbol[0]}_{{{symbol[1]}}}"
        # 2^-lse_i, but h^l_i has its i below h.
        if (sign or base.isdigit()) and self.token.kind == "sub" and not self.token.space:
            text += f"_{{{index_of(self.take().text[1:])}}}"
        return sign + text
