"""`gcl report`: what is printed, and what it says where nothing can be told."""

import json

import pytest

from gcl.cli import main

pytest.importorskip("bokeh", reason="the extra `report`")


@pytest.fixture
def run(tmp_path, capsys):
    words = ["train", "dgi", "karate", "--hidden", "4", "--epochs", "2"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_the_file_is_named(run, tmp_path, capsys):
    assert main(["report", str(run)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{run / 'report.html'} (1.")
    assert main(["report", str(run), "--out", str(tmp_path / "page.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    path = tmp_path / "page.html"
    assert told == {"file": str(path), "bytes": path.stat().st_size}
    assert path.read_bytes() == (run / "report.html").read_bytes()


def test_a_folder_with_a_report_can_be_gone_on_in(run, capsys):
    assert main(["report", str(run)]) == 0
    words = ["train", "dgi", "karate", "--hidden", "4", "--epochs", "3", "--resume"]
    assert main([*words, "--out", str(run)]) == 0


def test_without_the_data(run, capsys):
    assert main(["report", str(run), "--no-data"]) == 0
    assert "it was not asked for" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "holds no readable run.json"),
        (["{run}", "--seed", "4"], "no finished training of seed 4; it has 0."),
        (["{run}", "--seed", "four"], "expected a whole number"),
        (["{run}", "--sed", "0"], "did you mean '--seed'?"),
        (["{run}", "--out", "{run}"], "run cannot be written: Is a directory"),
        ([], "folder"),
    ],
)
def test_one_sentence(run, capsys, words, said):
    assert main(["report", *(word.format(run=run) for word in words)]) == 2
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
