"""The leaderboard on graphs that need no files: what runs, what is kept, what is shown."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import gcl
from gcl import bench, leaderboard, results
from gcl.bench import Entry
from gcl.benchmark import Run
from gcl.cli import main
from gcl.evaluate import Splits, supervised_gcn


@pytest.fixture(autouse=True)
def one_kmeans(monkeypatch):
    cluster = gcl.evaluate.cluster
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))


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
    train, seen = gcl.benchmark.train_seed, []

    def stop(run, data, seed):
        seen.append((run.recipe, seed))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return train(run, data, seed)

    monkeypatch.setattr(gcl.benchmark, "train_seed", stop)
    assert main([*command, "--seeds", "1"]) == 130
    kept = results.read_rows(tmp_path / "board.csv")
    assert seen == [("dgi", 0), ("grace", 0)]
    assert main([*command, "--seeds", "1"]) == 0
    assert seen[2:] == [("grace", 0)]
    assert results.read_rows(tmp_path / "board.csv")[: len(kept)] == kept


def test_several_processes_give_the_same_numbers(command, tmp_path):
    assert main([*command, "--seeds", "1"]) == 0
    other = tmp_path / "other.csv"
    assert main([*command[:-1], str(other), "--seeds", "1", "--jobs", "2"]) == 0

    def numbers(path):
        keys = ("config", "features", "seed", "accuracy", "options")
        return sorted(tuple(row[k] for k in keys) for row in results.read_rows(path))

    assert numbers(other) == numbers(tmp_path / "board.csv")


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
    found = bench.under(entries, "random-10-10-80")
    assert [e.name for e in found] == ["grace/karate", "dgi/karate-b"]
    assert {e.run.protocol for e in found} == {"random-10-10-80"}


def test_deviation_is_over_seeds_and_splits():
    rows = [
        {"config": "grace/karate", "seed": seed, "features": "grace", "commit": "c",
         "accuracy": accuracy, "accuracy_std": std}
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
