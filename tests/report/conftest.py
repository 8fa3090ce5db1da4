"""A folder of a finished run, made once."""

import shutil

import pytest

from gcl.cli import main
from tests.boards import shorten


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Two seeds of GRACE on karate, with diagnostics."""
    home = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        words = [
            "grace",
            "karate",
            "--hidden",
            "4",
            "--proj",
            "4",
            "--epochs",
            "4",
            "--diagnose",
            "2",
        ]
        words += ["--seeds", "2", "--out"]
        assert main(["train", *words, str(home / "run")]) == 0
    return home / "run"


@pytest.fixture
def folder(trained, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(trained, tmp_path / "run")
