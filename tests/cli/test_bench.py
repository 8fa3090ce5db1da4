"""`gcl bench` on graphs that need no files: what runs, what is kept, what is shown."""

import json

import numpy as np
import pytest

import gcl
from gcl.cli import main
from gcl.experiments import leaderboard, results
from tests.boards import board_command, board_of_one_split, write_configs


def test_bench_compares_and_resumes(tmp_path, capsys):
    folder = tmp_path / "configs" / "grace"
    folder.mkdir(parents=True)
    (folder / "karate.toml").write_text(
        'recipe = "grace"\ndataset = "karate"\nhidden = 4\nepochs = 2\n'
        '[reported]\naccuracy = 0.5\nstd = 0.1\nsource = "nobody"\n'
    )
    out = tmp_path / "r.csv"
    options = ["bench", str(tmp_path / "configs"), "--only", "grace/*", "--out", str(out)]
    assert main([*options, "--seeds", "2", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary[0]["reported"]["accuracy"] == 0.5
    assert summary[0]["grace"]["seeds"] == 2
    rows = results.read_rows(out)
    assert len(rows) == 2 + 2 * 2  # raw and propagated features, and two of each seed
    assert {"commit", "machine", "command", "protocol"} <= set(rows[0])
    before = out.read_bytes()
    assert main([*options, "--seeds", "2"]) == 0
    assert out.read_bytes() == before
    assert "50.0±10.0" in capsys.readouterr().out
    config = folder / "karate.toml"
    config.write_text(config.read_text().replace("hidden = 4", "hidden = 5"))
    assert main([*options, "--seeds", "2"]) == 2
    assert "other options" in capsys.readouterr().err
    out.write_text("a,b\n1,2\n")
    assert main(options) == 2
    assert "no column 'config'" in capsys.readouterr().err


@pytest.fixture
def configs(tmp_path):
    return write_configs(tmp_path / "configs")


@pytest.fixture
def command(configs, tmp_path):
    return board_command(configs, tmp_path / "board.csv")


def test_one_protocol_for_all_with_references(command, tmp_path, capsys):
    assert main([*command, "--seeds", "2", "--json"]) == 0
    (lines,) = json.loads(capsys.readouterr().out).values()
    references = {"raw features", "propagated", "supervised GCN"}
    assert {x["method"] for x in lines} == {*references, "grace", "dgi"}
    accuracies = [np.mean(x["values"]) for x in lines]
    assert accuracies == sorted(accuracies, reverse=True)
    by_name = {x["method"]: x for x in lines}
    assert len(by_name["grace"]["values"]) == 2
    assert by_name["grace"]["epochs"] == 2
    assert by_name["grace"]["seconds"] > 0
    assert by_name["grace"]["source"] == "A"
    assert by_name["dgi"]["source"] == "B (protocol e2: does not compare)"
    rows = results.read_rows(tmp_path / "board.csv")
    assert {row["protocol"] for row in rows} == {"random-10-10-80"}
    assert {row["config"] for row in rows} == {"reference/karate", "grace/karate", "dgi/karate"}
    for name in ("raw features", "propagated"):
        assert sum(row["features"] == name for row in rows) == 1


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_configuration_that_fails_does_not_stop_the_others(configs, tmp_path, capsys, jobs):
    (configs / "gbt").mkdir()
    (configs / "gbt" / "karate.toml").write_text(
        'recipe = "gbt"\ndataset = "karate"\nepochs = 2\nhidden = 0\n'
    )
    command = board_of_one_split(configs, tmp_path / "board.csv")
    assert main([*command, "--seeds", "1", "--jobs", jobs]) == 2
    told = capsys.readouterr()
    assert "gbt/karate seed 0 failed, ValueError: " in told.err
    assert "1 runs failed: gbt/karate seed 0" in told.err
    assert "grace" in told.out
    rows = results.read_rows(tmp_path / "board.csv")
    assert {row["features"] for row in rows} >= {"grace", "dgi"}


def test_a_data_set_that_cannot_be_read_is_no_data_set_that_is_left_out(configs, command, capsys):
    path = configs / "dgi" / "karate.toml"
    path.write_text(path.read_text().replace('"karate"', '"karatee"'))
    assert main([*command, "--seeds", "1"]) == 2
    assert "unknown data set 'karatee'; did you mean 'karate'?" in capsys.readouterr().err


def test_what_a_protocol_is_not_for_is_named(configs, command, capsys):
    path = configs / "dgi" / "karate.toml"
    path.write_text(path.read_text().replace('"karate"', '"mutag"'))
    assert main([*command, "--seeds", "1"]) == 0
    expected = "left out, as protocol random-10-10-80 is not for them: mutag"
    assert expected in capsys.readouterr().err


def test_a_data_set_that_is_not_there_leaves_the_others(
    configs, command, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("GCL_DATA", str(tmp_path))
    name, dataset = "acm-coauthor", configs / "dgi" / "karate.toml"  # with no address
    dataset.write_text(dataset.read_text().replace('"karate"', f'"{name}"'))
    meow = 'recipe = "meow"\ndataset = "acm"\nprotocol = "hetero-20"\nepochs = 2\n'
    (configs / "dgi" / "acm.toml").write_text(meow)
    assert main([*command, "--seeds", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert set(json.loads(said.out)) == {"karate"}
    assert f"left out, as its files are missing: {name} ({name} misses acm.npz in" in said.err
    # Graphs of several node types are not for this protocol, wherever their files are.
    assert "left out, as protocol random-10-10-80 is not for them: acm\n" in said.err


def test_a_row_without_its_number_is_named(command, tmp_path, capsys):
    assert main([*command, "--seeds", "1"]) == 0
    rows = results.read_rows(tmp_path / "board.csv")
    results.write_rows(tmp_path / "board.csv", [*rows[:-1], {**rows[-1], "accuracy": ""}])
    capsys.readouterr()
    assert main([*command, "--seeds", "1"]) == 2
    assert "board.csv: the row of config grace/karate, seed 0" in capsys.readouterr().err


def test_a_file_that_was_begun_and_has_no_row_is_gone_on_with(command, tmp_path):
    (tmp_path / "board.csv").write_text("")
    results.add_rows(tmp_path / "board.csv", [])
    assert main([*command, "--seeds", "1"]) == 0
    rows = results.read_rows(tmp_path / "board.csv")
    assert len(rows) == 3 + 2 * 2  # references, and two of each method


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('[reported]\naccuracy = "high"\n', "accuracy = 'high'"),
        ("reported = 0.9\n", "must be a table, got 0.9"),
    ],
)
def test_a_malformed_report_is_named_before_anything_runs(configs, command, told, said, capsys):
    path = configs / "dgi" / "karate.toml"
    path.write_text(path.read_text().partition("[reported]")[0] + told)
    assert main(command) == 2
    shown = capsys.readouterr().err
    assert str(path) in shown
    assert said in shown


def test_an_interrupt_says_how_to_go_on(command, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(gcl.experiments.suite, "raw_rows", interrupt)
    assert main(command) == 130
    assert capsys.readouterr().err.endswith("what was saved stays, go on with the same command\n")


def test_another_protocol_and_another_program_may_use_the_same_file(command, tmp_path, monkeypatch):
    out = tmp_path / "board.csv"
    train = gcl.experiments.run.train_seed

    def meanwhile(*arguments, **options):
        # Another program adds a row while this one trains.
        results.add_rows(
            out, [{**dict.fromkeys(results.read_rows(out)[0], "0"), "config": "other"}]
        )
        return train(*arguments, **options)

    monkeypatch.setattr(gcl.experiments.suite, "train_seed", meanwhile)
    assert main([*command, "--seeds", "1"]) == 0
    monkeypatch.setattr(gcl.experiments.suite, "train_seed", train)
    command[3] = "e2"
    assert main([*command, "--seeds", "1"]) == 0
    rows = results.read_rows(out)
    assert sum(row["config"] == "other" for row in rows) == 2
    trained = [(row["config"], row["protocol"]) for row in rows if row["features"] == "grace"]
    assert sorted(trained) == [("grace/karate", "random-10-10-80"), ("grace/karate-e2", "e2")]


def test_page(command, tmp_path):
    page = tmp_path / "docs" / "board.md"
    assert main([*command, "--seeds", "1", "--page", str(page)]) == 0
    text = page.read_text()
    assert "## karate" in text
    assert "- grace: A" in text
    assert "| supervised GCN |" in text
    assert text.count("nan") == 0
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    clusters = ("method", *leaderboard.CLUSTERS, "seeds", "commits")
    assert widths == {len(leaderboard.HEADS) + 1, len(clusters) + 1}
    assert page.with_suffix(".png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--page", "x.md"], "give --protocol too"),
        (["--protocol", "e1", "--page", "x.png"], "must name a Markdown file"),
        (["--protocol", "public"], "No configuration has data that 'public' is for"),
    ],
)
def test_bad_options(configs, tmp_path, capsys, options, said):
    assert main(["bench", str(configs), "--out", str(tmp_path / "r.csv"), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_file_is_no_folder_of_embeddings(command, tmp_path, capsys):
    (tmp_path / "kept").touch()
    assert main([*command, "--embeddings", str(tmp_path / "kept")]) == 2
    assert "--embeddings must name a folder" in capsys.readouterr().err
