"""`gcl plot`: figures of a run's folder, and what it says where there are none."""

import json
from pathlib import Path

import pytest

from gcl.cli import main

TRAIN = ["train", "dgi", "karate", "--hidden", "4", "--epochs", "2"]


@pytest.fixture
def run(tmp_path, capsys):
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_json_names_the_files_that_were_written(run, capsys):
    assert main(["plot", str(run), "--projection", "pca", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    # DGI has no two views to compare.
    assert files == [str(run / "loss.png"), str(run / "embedding.png")]
    assert sorted(str(p) for p in run.glob("*.png")) == sorted(files)
    assert all(Path(name).read_bytes()[:4] == b"\x89PNG" for name in files)


def test_without_json_a_line_a_file(run, capsys):
    assert main(["plot", str(run), "--projection", "pca"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(run / "loss.png"),
        str(run / "embedding.png"),
    ]


def test_a_seed_that_was_not_trained(run, capsys):
    assert main(["plot", str(run), "--seed", "3"]) == 2
    assert "seed-3 has no finished training; run gcl train --out" in capsys.readouterr().err
    assert not list(run.glob("*.png"))


def test_projections_are_two(run, capsys):
    assert main(["plot", str(run), "--projection", "umap"]) == 2
    assert "invalid choice: 'umap'" in capsys.readouterr().err
