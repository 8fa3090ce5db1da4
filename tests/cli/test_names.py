"""Names that the command line knows without loading a library."""

import subprocess
import sys

import pytest

import gcl
from gcl.cli.names import check_names, dataset_names, recipe_names, variant_names
from gcl.methods import recipes, variants


def test_they_are_those_of_the_package():
    assert recipe_names() == sorted(recipes.__all__)
    assert variant_names() == list(variants.__all__)
    assert dataset_names() == gcl.datasets.names()


@pytest.mark.parametrize(
    ("recipe", "dataset", "message"),
    [
        ("grase", None, "Unknown recipe 'grase'; did you mean 'grace'"),
        ("grace+mcal", "cora", "Unknown variant 'mcal'; did you mean 'macl'"),
        ("grace", "koara", "Unknown data set 'koara'; did you mean"),
    ],
)
def test_unknown_ones(recipe, dataset, message):
    with pytest.raises(ValueError, match=message):
        check_names(recipe, dataset)
    check_names("grace+macl+my.module:variant", "IMDB_binary")
    check_names("my.module:recipe", "my.module:graph")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["frobnicate"], ["train"], ["train", "grase", "cora"],
     ["train", "grace", "koara"], ["train", "grace+mcal", "cora"]],
)  # fmt: skip
def test_help_and_complaints_load_no_torch(arguments):
    code = (
        "import sys\nfrom gcl.cli import main\n"
        f"code = main({arguments!r})\n"
        "assert code in (0, 2), code\n"
        "assert not {'torch', 'numpy', 'scipy', 'jsonargparse', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) <= 1
