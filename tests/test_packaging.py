"""What an index says of the package, and what travels in it; `make test-wheel` tries the wheel."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

import gcl

ROOT = Path(gcl.__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
hatchling = pytest.importorskip("hatchling.metadata.core")


@pytest.fixture(scope="module")
def core():
    from hatchling.plugin.manager import PluginManager

    return hatchling.ProjectMetadata(str(ROOT), PluginManager()).core


def test_links_of_the_readme_hold_in_the_repository():
    for target in LINK.findall((ROOT / "README.md").read_text()):
        if not target.startswith("https://"):
            assert (ROOT / target.partition("#")[0]).exists(), target


def test_links_of_the_readme_hold_on_an_index_page(core):
    kept = LINK.findall(core.readme)
    assert kept
    assert all(target.startswith("https://") for target in kept)
    # The words of a link that was taken out stay, and where it led to.
    assert "which method for my graph (`docs/choosing.md`)" in core.readme


def test_what_is_told_of_the_package(core):
    assert core.name == "pyg-gcl"
    assert core.authors_data["name"] == ["the gcl authors"]
    assert core.license_expression == "MIT"
    assert core.readme_content_type == "text/markdown"


def test_the_citation_is_of_this_version():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    # What the schema 1.2.0 requires, and what must agree with the rest.
    assert {"cff-version", "message", "title", "authors"} <= told.keys()
    assert told["cff-version"] == "1.2.0"
    assert str(told["version"]) == gcl.__version__
    assert told["license"] == "MIT"
    assert all(
        person.keys() <= {"name", "given-names", "family-names"} for person in told["authors"]
    )


def test_types_travel():
    assert (ROOT / "gcl" / "py.typed").read_text() == ""


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="no checkout")
def test_the_wheel_works_outside_of_the_checkout():
    pytest.importorskip("build")
    runpy.run_path(str(ROOT / ".ci" / "try_wheel.py"), run_name="__main__")
