"""The leaderboard on graphs that need no files: what runs, what is kept, what is shown."""

import contextlib
import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import gcl
from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.cli import main
from gcl.evaluate import Splits
from gcl.experiments import leaderboard, results
from gcl.experiments import suite as bench
from gcl.experiments.run import Run, options_digest
from gcl.experiments.suite import Entry


@pytest.fixture(autouse=True)
def short(monkeypatch):
    cluster, supervised = gcl.evaluate.cluster, gcl.baselines.supervised_gcn
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))
    monkeypatch.setattr(gcl.baselines, "supervised_gcn", partial(supervised, epochs=5))


@pytest.fixture
def configs(tmp_path):
    for name, text in {
        "grace/karate": 'recipe = "grace"\nhidden = 4\n[reported]\naccuracy = 0.5\nsource = "A"\n',
        "grace/karate-e2": 'recipe = "grace"\nprotocol = "e2"\nhidden = 4\n',
        "dgi/karate": (
            'recipe = "dgi"\nprotocol = "e2"\nhidden = 4\n'
            '[reported]\naccuracy = 0.6\nsource = "B"\nprotocol = "e2"\n'
        ),
    }.items():
        path = tmp_path / "configs" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("\n", '\ndataset = "karate"\nepochs = 2\n', 1))
    return tmp_path / "configs"


@pytest.fixture
def command(configs, tmp_path):
    out = tmp_path / "board.csv"
    return ["bench", str(configs), "--protocol", "random-10-10-80", "--out", str(out)]


def test_one_protocol_for_all_with_references(command, tmp_path, capsys):
    assert main([*command, "--seeds", "2", "--json"]) == 0
    (lines,) = json.loads(capsys.readouterr().out).values()
    assert {x["method"] for x in lines} == {"raw features", "supervised GCN", "grace", "dgi"}
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
    assert sum(row["features"] == "raw features" for row in rows) == 1


def test_goes_on_where_it_was(command, tmp_path, monkeypatch):
    train, seen = gcl.experiments.run.train_seed, []

    def stop(run, data, seed, *folder, **options):
        seen.append((run.recipe, seed))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return train(run, data, seed, *folder, **options)

    monkeypatch.setattr(gcl.experiments.suite, "train_seed", stop)
    assert main([*command, "--seeds", "1"]) == 130
    kept = results.read_rows(tmp_path / "board.csv")
    assert seen == [("dgi", 0), ("grace", 0)]
    assert main([*command, "--seeds", "1"]) == 0
    assert seen[2:] == [("grace", 0)]
    assert results.read_rows(tmp_path / "board.csv")[: len(kept)] == kept


def test_several_processes_give_the_same_numbers(command, tmp_path, monkeypatch):
    monkeypatch.setattr(gcl.baselines, "supervised_gcn", supervised_gcn)  # as in the processes
    assert main([*command, "--seeds", "1"]) == 0
    other = tmp_path / "other.csv"
    assert main([*command[:-1], str(other), "--seeds", "1", "--jobs", "2"]) == 0

    def numbers(path):
        keys = ("config", "features", "seed", "accuracy", "options")
        return sorted(tuple(row[k] for k in keys) for row in results.read_rows(path))

    assert numbers(other) == numbers(tmp_path / "board.csv")


def test_a_training_that_was_killed_goes_on_from_its_checkpoint(command, tmp_path, monkeypatch):
    assert main([*command, "--seeds", "1"]) == 0
    whole = results.read_rows(tmp_path / "board.csv")
    command[-1] = str(tmp_path / "other.csv")
    fit, first = gcl.experiments.run.fit, []

    def killed(*arguments, **options):
        end, steps = options["callbacks"][-1].on_epoch_end, []

        def stop(state):
            state.history[-1]["seconds"] = 1000.0
            end(state)
            steps.append(state.epoch)
            raise KeyboardInterrupt

        if not first:
            first.append(True)
            options["callbacks"][-1].every = 1
            options["callbacks"][-1].on_epoch_end = stop
        else:
            assert len(first) > 1 or options["resume"].is_file()
            first.append(True)
        return fit(*arguments, **options)

    monkeypatch.setattr(gcl.experiments.run, "fit", killed)
    assert main([*command, "--seeds", "1"]) == 130
    assert len(list((tmp_path / "other.csv.work").iterdir())) == 1
    assert main([*command, "--seeds", "1"]) == 0
    assert not (tmp_path / "other.csv.work").exists()
    again = results.read_rows(tmp_path / "other.csv")
    for old, new in zip(whole, again, strict=True):
        assert (old["config"], old["accuracy"]) == (new["config"], new["accuracy"])
    # What was trained before counts.
    assert sum(float(row["seconds"] or 0) > 1000 for row in again) == 1


def test_a_configuration_that_fails_does_not_stop_the_others(configs, command, tmp_path, capsys):
    (configs / "gbt").mkdir()
    (configs / "gbt" / "karate.toml").write_text(
        'recipe = "gbt"\ndataset = "karate"\nepochs = 2\nhidden = 0\n'
    )
    for jobs in ("1", "2"):
        command[-1] = str(tmp_path / f"jobs-{jobs}.csv")
        assert main([*command, "--seeds", "1", "--jobs", jobs]) == 2
        told = capsys.readouterr()
        assert "gbt/karate seed 0 failed, ValueError: " in told.err
        assert "1 runs failed: gbt/karate seed 0" in told.err
        assert "grace" in told.out
        rows = results.read_rows(tmp_path / f"jobs-{jobs}.csv")
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


def test_a_file_that_was_begun_and_has_no_row_is_gone_on_with(command, tmp_path):
    (tmp_path / "board.csv").write_text("")
    results.add_rows(tmp_path / "board.csv", [])
    assert main([*command, "--seeds", "1"]) == 0
    assert len(results.read_rows(tmp_path / "board.csv")) == 6


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

    monkeypatch.setattr(gcl.experiments.run, "raw_rows", interrupt)
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


def test_rows_that_another_program_has_added_are_not_added_again(tmp_path):
    rows = [{"config": "a", "seed": 0, "accuracy": 0.5}]
    key = ("config", "seed")
    assert len(results.add_rows(tmp_path / "r.csv", rows, key)) == 1
    assert len(results.add_rows(tmp_path / "r.csv", rows, key)) == 1
    assert len(results.add_rows(tmp_path / "r.csv", [{**rows[0], "seed": 1}], key)) == 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_with_their_parent(configs, command):
    for path in configs.rglob("*.toml"):
        path.write_text(path.read_text().replace("epochs = 2", "epochs = 10000000"))
    parent = subprocess.Popen(
        [sys.executable, "-m", "gcl", *command, "--seeds", "2", "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def workers():
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent.pid:
                    found.append(stat.parent)
        return found

    def wait(until):
        end = time.monotonic() + 60
        while not until() and time.monotonic() < end:
            time.sleep(0.2)
        assert until()

    try:
        wait(lambda: len(workers()) > 2)  # two, and the tracker of resources
        children = workers()
        parent.kill()
        parent.wait()
        wait(lambda: not any(child.exists() for child in children))
    finally:
        parent.kill()


def test_page(command, tmp_path):
    page = tmp_path / "docs" / "board.md"
    assert main([*command, "--seeds", "1", "--page", str(page)]) == 0
    text = page.read_text()
    assert "## karate" in text
    assert "- grace: A" in text
    assert "| supervised GCN |" in text
    assert text.count("nan") == 0
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(leaderboard.HEADS) + 1}
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


def entry(name, **fields):
    recipe = name.partition("/")[0]
    return Entry(name, replace(Run(recipe, "karate"), **fields), {})


def test_which_configuration_counts():
    entries = [
        entry("grace/karate-other", protocol="e2"),
        entry("grace/karate", protocol="e3"),
        entry("dgi/karate-a", protocol="e3"),
        entry("dgi/karate-b", protocol="random-10-10-80"),
    ]
    found, absent = bench.under(entries, "random-10-10-80")
    assert not absent
    assert [e.name for e in found] == ["grace/karate", "dgi/karate-b"]
    assert {e.run.protocol for e in found} == {"random-10-10-80"}


def test_a_report_of_another_protocol_is_bracketed():
    told = {"accuracy": 0.8, "source": "A"}
    entries = [
        replace(entry("grace/karate", protocol="e3"), reported=told),
        replace(entry("dgi/karate", protocol="random-10-10-80"), reported=told),
        replace(entry("ggd/karate", protocol="e3"), reported={**told, "protocol": "e2"}),
        entry("bgrl/karate", protocol="e3"),
    ]
    row = {"protocol": "random-10-10-80", "seed": 0, "accuracy": 0.5, "commit": "a"}
    under, _ = bench.under(entries, "random-10-10-80")
    rows = [
        {**row, "config": e.name, "options": options_digest(e.run), "features": e.run.recipe}
        for e in under
    ]
    (lines,) = leaderboard.leaderboard(rows, under, 5).values()
    at = leaderboard.HEADS.index("reported")
    shown = {line.method: (line.cells()[at], line.source) for line in lines}
    other = "A (protocol {}: does not compare)"
    assert shown == {
        "grace": ("(80.0)", other.format("e3")),
        "dgi": ("80.0", "A"),
        "ggd": ("(80.0)", other.format("e2")),
        "bgrl": ("", ""),
    }


def test_deviation_is_over_seeds_and_splits():
    rows = [
        {"config": "grace/karate", "protocol": "random-10-10-80", "seed": seed,
         "features": "grace", "commit": "c", "accuracy": accuracy, "accuracy_std": std}
        for seed, accuracy, std in ((0, 0.7, 0.03), (1, 0.9, 0.04), (2, 0.1, 0.5))
    ]  # fmt: skip
    (line,) = leaderboard.leaderboard(rows, [entry("grace/karate")], seeds=2)["karate"]
    assert line.accuracy == pytest.approx(0.8)
    assert line.std == pytest.approx(math.sqrt(0.02 + (0.03**2 + 0.04**2) / 2))
    assert line.cells()[1] == "80.0 ± 14.6"
    assert line.cells()[4:8] == ["", "", "", ""]


def test_supervised_gcn_learns_each_split_on_its_own():
    data = gcl.datasets.sbm(300, 3, num_features=8, noise=1.0)
    masks = torch.zeros(3, 2, 300, dtype=torch.bool)
    for part, (start, stop) in enumerate(((0, 100), (100, 150), (150, 300))):
        masks[part, 0, torch.arange(300)[start:stop]] = True
        masks[part, 1, 299 - torch.arange(300)[start:stop]] = True
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    splits = Splits("halves", *masks[:, :, order])
    state = torch.get_rng_state()
    found = supervised_gcn(data, splits=splits, epochs=50, normalize=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert found["accuracy"] > 0.9
    assert len(found.per_run["accuracy"]) == 2
    again = supervised_gcn(data, splits=splits, epochs=50, normalize=False)
    assert again.per_run == found.per_run
    # Labels that say nothing are not learned: about a third is right.
    data.y = data.y[order]
    assert supervised_gcn(data, splits=splits, epochs=50, normalize=False)["accuracy"] < 0.5


def test_supervised_gcn_needs_validation_nodes():
    data = gcl.datasets.sbm(100, 2, num_features=4)
    with pytest.raises(ValueError, match="without validation nodes"):
        supervised_gcn(data, protocol="e1", epochs=2)
