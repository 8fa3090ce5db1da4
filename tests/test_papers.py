"""Every recipe and loss names papers that the documentation links."""

import inspect
import re
import runpy
from pathlib import Path

import pytest

import gcl

ROOT = Path(__file__).parents[1]
PAPERS = runpy.run_path(str(ROOT / "docs" / "papers.py"))
REFERENCE = re.compile(r"^ *Reference:\n(.*?)(?=^ {0,4}\w+:$|\Z)", re.MULTILINE | re.DOTALL)
RECIPES = [getattr(gcl.methods, name) for name in gcl.methods.recipes.__all__]
LOSSES = [getattr(gcl.losses, name) for name in gcl.losses.__all__]


def reference(thing):
    return "\n".join(REFERENCE.findall(inspect.cleandoc(thing.__doc__ or "")))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_every_recipe_links_its_paper(recipe):
    assert PAPERS["named_in"](reference(recipe))


@pytest.mark.parametrize("loss", [x for x in LOSSES if reference(x)], ids=lambda x: x.__name__)
def test_every_loss_with_a_reference_links_it(loss):
    assert PAPERS["named_in"](reference(loss))


def test_identifiers_are_well_formed_and_used():
    text = re.sub(
        r"\s+", " ", " ".join(p.read_text() for p in (ROOT / "gcl").rglob("*.py"))
    ).lower()
    form = re.compile(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/\S+|openreview:[\w-]+|ieee:\d+")
    for words, told in PAPERS["PAPERS"].items():
        assert form.fullmatch(told), words
        assert words.lower() in text, words


def test_a_title_over_two_lines_is_one_link():
    (line,) = PAPERS["linked"](['    Veličković et al., "Deep Graph', '    infomax", ICLR 2019.'])
    assert line == (
        'Veličković et al., "`Deep Graph infomax <https://arxiv.org/abs/1809.10341>`__", ICLR 2019.'
    )
    assert not PAPERS["named_in"]("Deep Graph Infomaximum")
