"""Every example is at most 30 lines and runs."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ARGUMENTS = {
    "grace_cora": ["3"],
    "csgcl_photo": ["1"],
    "graphcl_mutag": ["1"],
    "finetune_graphs": ["2"],
    "meow_acm": ["1"],
    "optuna_sweep": ["1"],
}
NEEDS = {
    "grace_cora": "planetoid/Cora",
    "csgcl_photo": "amazon/Photo",
    "graphcl_mutag": "tu/MUTAG",
    "finetune_graphs": "tu/MUTAG",
    "meow_acm": "hetero/acm",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, run_script, tmp_path):
    assert len(path.read_text().splitlines()) <= 30
    files = Path(os.environ.get("GCL_DATA", "absent")) / NEEDS.get(path.stem, "")
    if path.stem in NEEDS and not files.is_dir():
        pytest.skip(f"needs the files of {NEEDS[path.stem]} in GCL_DATA")
    done = run_script(path, *ARGUMENTS.get(path.stem, []), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())  # nothing is left behind


def test_there_are_examples():
    assert {"quickstart", "own_loop", "custom_loss"} <= {p.stem for p in EXAMPLES}
