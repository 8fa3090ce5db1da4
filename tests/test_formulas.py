"""Formulas of docstrings become mathematics on the pages: read in full, or left as they are."""

import ast
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(ROOT / "docs"))
    formulas = importlib.import_module("formulas")
    formula_blocks = importlib.import_module("formula_blocks")

# Blocks that are no formulas, by their first lines: code, an algorithm, a file.
LITERAL = {
    "S = {};  for j = d - k .. d - 1:  t uniform in {0 .. j};  S += {t}, or {j} if t is in S",
    "epochs = 100",
    "from gcl.testing import check_augmentation, check_loss, check_method, check_variant",
    "teacher = gcl.methods.grace(data)",
    "with gcl.distributed.processes():",
}
SECTION = re.compile(r"(Args|Attributes|Example|Raises|Reference|Returns|Shape|Warns|Yields):\s*$")


def blocks_of(doc):
    lines = doc.splitlines()
    head = next((i for i, line in enumerate(lines) if SECTION.match(line)), len(lines))
    block = None
    for line in [*formula_blocks.marked(lines[:head]), "end"]:
        if line == ".. formulas::":
            block = []
        elif block is not None and line and not line.startswith(" "):
            yield "\n".join(block)
            block = None
        elif block is not None:
            block.append(line)


def all_blocks():
    for path in sorted((ROOT / "gcl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                for block in blocks_of(ast.get_docstring(node) or ""):
                    yield pytest.param(block, id=f"{path.stem}:{getattr(node, 'name', '')}")
    for path in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"```\{formulas\}\n(.*?)```", path.read_text(), re.DOTALL):
            yield pytest.param(block, id=path.stem)


BLOCKS = list(all_blocks())


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        # gcl.losses
        (
            "L_i = - l(z1_i, z2_i) + log( sum_j exp l(z1_i, z2_j) )",
            r"L_{i} = -\ell(z_{1,i}, z_{2,i}) "
            r"+ \log\left( \sum_{j} \exp \ell(z_{1,i}, z_{2,j}) \right)",
        ),
        (
            "lse_i = log sum_{j in S, j != i} exp( <q_i, k_j> / tau )",
            r"\text{lse}_{i} = \log \sum_{j \in S, j \ne i} "
            r"\exp\left( \frac{\left\langle q_{i}, k_{j} \right\rangle}{\tau} \right)",
        ),
        (
            "mean_i || z1_i/|z1_i| - z2_i/|z2_i| ||^alpha",
            r"\operatorname*{mean}_{i} \left\lVert "
            r"\frac{z_{1,i}}{\left\lvert z_{1,i} \right\rvert} "
            r"- \frac{z_{2,i}}{\left\lvert z_{2,i} \right\rvert} \right\rVert^{\alpha}",
        ),
        (
            "L = - sum_a (z1^T z2 / n)_aa + lam * ||I - z1^T z1 / n||_F^2",
            r"L = -\sum_{a} \left( \frac{z_{1}^{\top} z_{2}}{n} \right)_{aa} "
            r"+ \lambda \cdot \left\lVert I - \frac{z_{1}^{\top} z_{1}}{n} \right\rVert_{F}^{2}",
        ),
        (
            "L_i = - log( e+ / (e+ + max(Neg_i, M e^{-1/tau})) )",
            r"L_{i} = -\log\left( "
            r"\frac{e^{+}}{e^{+} + \max(\text{Neg}_{i}, M e^{-1 / \tau})} \right)",
        ),
        ("w_ij = G - #{ g : c_g(i) = c_g(j) }", r"w_{ij} = G - \#\{ g : c_{g}(i) = c_{g}(j) \}"),
        (
            "neg_ia = sum_{c=1..M} sum_{j != i} e^{l(z^a_i, z^c_j)}",
            r"\text{neg}_{ia} = \sum_{c = 1}^{M} \sum_{j \ne i} e^{\ell(z_{i}^{a}, z_{j}^{c})}",
        ),
        (
            "align_weight * align + uniform_weight * uniform = L",
            r"\text{align\_weight} \cdot \text{align} "
            r"+ \text{uniform\_weight} \cdot \text{uniform} = L",
        ),
        ("KL(p_i || uniform) = 0", r"\operatorname{KL}(p_{i} \Vert \text{uniform}) = 0"),
        # gcl.methods, gcl.nn, gcl.ops, gcl.transforms
        (
            "loss = (1 - kappa) * inner loss + kappa * mean_i softplus(-g_i)",
            r"\text{loss} = (1 - \kappa) \cdot \text{inner loss} "
            r"+ \kappa \cdot \operatorname*{mean}_{i} \operatorname{softplus}(-g_{i})",
        ),
        ("L = loss(x^_M, x_M)", r"L = \operatorname{loss}(\hat{x}_{M}, x_{M})"),
        (
            "h^l_i = MLP( h^(l-1)_i + sum_{j in N(i)} h^(l-1)_j )",
            r"h_{i}^{\ell} = \operatorname{MLP}\left( h_{i}^{(\ell - 1)} "
            r"+ \sum_{j \in N(i)} h_{j}^{(\ell - 1)} \right)",
        ),
        (
            "S_vu = w_uv / sqrt((d_u + 1)(d_v + 1))",
            r"S_{vu} = \frac{w_{uv}}{\sqrt{(d_{u} + 1) (d_{v} + 1)}}",
        ),
        ("D^-1/2 (M + I) D^-1/2", r"D^{-1/2} (M + I) D^{-1/2}"),
        (
            "Gamma = ppr (1 - ppr)^p A_hat^p",
            r"\Gamma = \text{ppr}\,(1 - \text{ppr})^{p} \hat{A}^{p}",
        ),
        (
            "edge_weight_e = w_e * (edges that arrive at it) / (those in the batch)",
            r"\text{edge\_weight}_{e} = w_{e} \cdot "
            r"\frac{\text{edges that arrive at it}}{\text{those in the batch}}",
        ),
    ],
)
def test_latex(text, latex):
    assert formulas.latex(text) == latex


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a / b * c", r"\frac{a}{b} \cdot c"),
        ("a * b / c", r"a \cdot \frac{b}{c}"),
        ("a b / c", r"\frac{a b}{c}"),
        ("a / (b c)", r"\frac{a}{b c}"),
        ("a / 2m", r"\frac{a}{2 m}"),
        ("a - b / c", r"a - \frac{b}{c}"),
        ("(a - b) / c", r"\frac{a - b}{c}"),
        ("1/2 ||w||^2", r"\frac{1}{2} \left\lVert w \right\rVert^{2}"),
        ("(x / y)^{-(v + 1) / 2}", r"\left( \frac{x}{y} \right)^{-(v + 1) / 2}"),
        ("-(v + 1) / 2", r"-\frac{v + 1}{2}"),
        ("a / (b / c)", r"\frac{a}{b / c}"),
        # A sum ends behind its product; the fraction in it stays in it.
        ("sum_i a_i / n + b", r"\sum_{i} \frac{a_{i}}{n} + b"),
        ("sum_i a_i / sum_k b_ik", r"\sum_{i} \frac{a_{i}}{\sum_{k} b_{ik}}"),
        # Below, p runs anew, so that the sum above is whole.
        ("sum_p w_p l_p / sum_p w_p", r"\frac{\sum_{p} w_{p} \ell_{p}}{\sum_{p} w_{p}}"),
        ("(1 - r) / K sum_k x_k", r"\frac{1 - r}{K} \sum_{k} x_{k}"),
        # Brackets and signs that look alike.
        ("sum_{i < j, a > b} x_i", r"\sum_{i < j, a > b} x_{i}"),
        ("a < b", "a < b"),
        ("<a, b> < c", r"\left\langle a, b \right\rangle < c"),
        (
            "|| s / ||s|| - z ||",
            r"\left\lVert \frac{s}{\left\lVert s \right\rVert} - z \right\rVert",
        ),
        ("g 2^-lse_i", r"g 2^{-\text{lse}_{i}}"),
        ("E_pos + W_il + p_in", r"E_{\text{pos}} + W_{i\ell} + p_{\text{in}}"),
    ],
)
def test_precedence(text, latex):
    assert formulas.latex(text) == latex


@pytest.mark.parametrize(
    "text",
    [
        "a / b c",  # is c below?
        "a / b / c",
        "log x / y",  # of the fraction, or over y?
        "x^2/3",
        "high - a low",  # an article, or a factor?
        "P(a | b)",
        "(a + b",
        "a + b)",
        "a = ",
        "sum_x",  # of what?
        "the mean of the rows",
        "mean of x over its rows",  # a sentence
        "HeCo's form",
        "x = {1}",
        'recipe = "dgi"',
        "gcl.fit(method, data)",
        "",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text):
    with pytest.raises(formulas.NotAFormula):
        formulas.latex(text)


def test_lines_stand_below_one_another_at_their_signs():
    assert formula_blocks.formula("    a = b / c,\n    d_i = e") == (
        "a & = \\frac{b}{c}, \\\\\nd_{i} & = e"
    )
    # Within brackets a line goes on; before a sign it starts anew.
    assert formula_blocks.formula("L = log( a\n     + b )") == r"L = \log(a + b)"
    assert formula_blocks.formula("L = a\n  + b") == "L & = a \\\\\n& \\quad +b"
    assert formula_blocks.formula("a = b     what it is for i") == (
        r"a = b \qquad \text{what it is for}\ i"
    )
    assert formula_blocks.formula("a = b   x\n???") is None


def test_rows_of_names():
    first, second = formula_blocks.rows(
        '"out"   a / b    as in `it`\n"in"    of all, or\n        none'
    )
    assert (first.key, first.meaning) == (("code", '"out"'), [("math", r"\frac{a}{b}")])
    assert first.note == [("text", "as in"), ("code", "it")]
    assert (second.meaning, second.note) == ([("text", "of all, or none")], [])
    assert formula_blocks.rows("a   = b\nc   = d") is None


def test_the_blocks_are_found():
    assert len(BLOCKS) > 130
    inside = inspect.cleandoc("A.\n\n    x = y\n\n    z = x\n\nText.\n\n- a list\n\n  of one\n")
    assert list(blocks_of(inside)) == ["\n    x = y\n\n    z = x\n"]


def pieces(block):
    """The LaTeX of a block, and its words."""
    rows = formula_blocks.rows(block)
    if rows is None:
        return [("math", formula_blocks.formula(block))]
    return [piece for row in rows for piece in (row.key, *row.meaning, *row.note)]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_a_formula_or_known_to_be_none(block):
    first = block.strip().splitlines()[0].strip()
    translated = formula_blocks.rows(block) or formula_blocks.formula(block)
    assert (translated is None) == (first in LITERAL)


def signs(text):
    """How often each letter and number stands in a docstring's formula."""
    text = re.sub(r"(?<=\b[zA])_?hat(?=\d|_|\b)", "", text)
    text = re.sub(r"\blambda\b", "lam", re.sub(r"\bgam\b", "gamma", text))
    return Counter(re.findall(r"[^\W_]", text))


def signs_of_latex(latex):
    for command, name in (
        ("varepsilon", "eps"), ("lambda", "lam"), ("ell", "l"), ("top", "T"), ("notin", "not in"),
    ):  # fmt: skip
        latex = re.sub(rf"\\{command}(?![a-z])", f" {name} ", latex)
    layout = (
        "left right langle rangle lVert rVert lvert rvert Vert frac operatorname text texttt hat "
        "mathrm cdot odot quad qquad dots le ge ne to gets sim cap"
    )
    latex = re.sub(rf"\\({'|'.join(layout.split())})(?![a-zA-Z])", " ", latex)
    return Counter(re.findall(r"[^\W_]", latex))


@pytest.mark.parametrize("block", BLOCKS)
def test_no_letter_is_lost(block):
    if block.strip().splitlines()[0].strip() in LITERAL:
        return
    found = Counter()
    for kind, told in pieces(block):
        found += signs_of_latex(told) if kind == "math" else signs(told)
    assert found == signs(block)


def test_mathml():
    pytest.importorskip("sphinx")
    pytest.importorskip("latex2mathml")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        mathml = importlib.import_module("mathml").mathml
    told = mathml(r"\sum_{j \ne i} \log \text{align\_weight}", block=True)
    assert re.search(r"<munder><mo>∑</mo><mrow>.*?≠.*?</mrow></munder>", told)
    assert re.search(r"<mi>log</mi><mspace [^>]*/><mi class=.word.>align_weight</mi>", told)
    told = mathml(formula_blocks.formula("a = b\n  = c"), block=True)
    assert (told.count("<mtr>"), told.count("<mtd>")) == (2, 4)
    # Every formula of the package is translated to the end: no command is left over.
    for block in (param.values[0] for param in BLOCKS):
        for kind, latex in pieces(block):
            if kind == "math" and latex is not None:
                assert "\\" not in mathml(latex, block=False)
