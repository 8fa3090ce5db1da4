"""The Python blocks of the documentation run, a page at a time, from top to bottom."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(p for p in (ROOT / "docs").glob("*.md") if "```python" in p.read_text())
# Pages whose blocks train for a minute, and are what `make demo` and the examples run anyway.
SLOW = {"index", "quickstart"}
# What a page needs that the package does not.
NEEDS = {
    "logging": ["tensorboard", "lightning"],
    "own_data": ["pandas", "anndata", "qdrant_client"],
}


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, id=p.stem, marks=pytest.mark.slow if p.stem in SLOW else ()) for p in PAGES],
)
def test_page(page, run_script, tmp_path):
    for library in NEEDS.get(page.stem, []):
        if find_spec(library) is None:
            pytest.skip(f"needs {library}")
    text = page.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for name, code in re.findall(
        r"Save this as `(\w+\.py)`:\n\n```python\n(.*?)```", text, re.DOTALL
    ):
        (tmp_path / name).write_text(code)
    done = run_script(page, folder=tmp_path, code="\n".join(blocks))
    assert done.returncode == 0, done.stderr
