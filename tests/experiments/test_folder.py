"""The folder of a run: one program, one run, one graph."""

import json
from dataclasses import replace

import pytest

import gcl
from gcl import checkpoint
from gcl.checkpoint import CheckpointError
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.folder import Kept, opened, read_run
from gcl.experiments.locks import locked
from gcl.experiments.run import Run, train_seed

NEEDS = ("accuracy",)
SMALL = ["--hidden", "4", "--proj", "4", "--epochs", "3"]


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def trained(folder, *options):
    return main(["train", "grace", "karate", *SMALL, "--out", str(folder), *options])


def begin(folder, run, data, **options):
    with opened(folder, run, [0], data, **{"resume": True, "needs": NEEDS, **options}) as found:
        return found


def test_what_is_kept_comes_back(folder, data):
    run = Run("grace", "karate", method={"drop_edge": [0.1, 0.2]})
    begin(folder, run, data)
    kept = read_run(folder)
    assert kept.run == run
    assert kept.seeds == [0]
    assert kept.lengths == [200]
    content = json.loads((folder / "run.json").read_text())
    del content["data"], content["lengths"]
    (folder / "run.json").write_text(json.dumps({**content, "seeds": 3}))  # of an earlier version
    kept = read_run(folder)
    assert (kept.data, kept.lengths, kept.seeds) == ("", [200], [0, 1, 2])


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00binary", b"", b"[]", b"{}", b'{"run": 3, "seeds": 1}', b"[" * 100_000],
)
def test_an_unreadable_one_is_named(folder, content):
    folder.mkdir()
    (folder / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"holds no readable run\.json"):
        read_run(folder)


def test_other_options_are_named(folder, data):
    run = Run("grace", "karate", method={"tau": 0.4})
    begin(folder, run, data)
    with pytest.raises(
        ValueError, match=r"--lr was 0\.001 and is 0\.1; --tau was 0\.4 and is 0\.9"
    ):
        begin(folder, replace(run, lr=0.1, method={"tau": 0.9}), data)
    with pytest.raises(ValueError, match="--epochs was 200 and is 10"):
        begin(folder, replace(run, epochs=10), data)
    # Neither place nor what is the default decides a number.
    begin(folder, replace(run, device="cuda", root="x", method={"tau": 0.4, "hidden": 128}), data)


def test_other_data_are_refused(folder, data):
    begin(folder, Run("grace", "karate"), data)
    data.x = -data.x
    with pytest.raises(ValueError, match="data of karate are not those"):
        begin(folder, Run("grace", "karate"), data)


def test_one_program_at_a_time(folder, capsys):
    folder.mkdir()
    with locked(folder / ".lock"):
        assert trained(folder) == 2
    assert "Another program trains into" in capsys.readouterr().err
    assert trained(folder) == 0


def test_more_epochs_lengthen_a_run(folder, tmp_path, capsys):
    assert trained(folder) == 0
    assert trained(folder, "--epochs", "6", "--resume") == 0
    assert trained(tmp_path / "whole", "--epochs", "6") == 0
    first, second = (
        (path / "seed-0" / "embedding.npy").read_bytes() for path in (folder, tmp_path / "whole")
    )
    assert first == second
    rows = results.read_rows(folder / "results.csv")
    assert [row["trained_epochs"] for row in rows if row["features"] == "grace"] == ["6"]
    assert read_run(folder).lengths == [3, 6]
    capsys.readouterr()
    assert trained(folder, "--epochs", "3", "--resume") == 2
    assert "--epochs was 6 and is 3" in capsys.readouterr().err


def test_lengthening_one_seed_keeps_the_rows_of_the_others(folder):
    assert trained(folder, "--seeds", "2") == 0
    before = results.read_rows(folder / "results.csv")
    assert trained(folder, "--epochs", "6", "--seed", "0", "--resume") == 0
    after = results.read_rows(folder / "results.csv")
    assert [row for row in after if row["seed"] == "1"] == [r for r in before if r["seed"] == "1"]
    assert trained(folder, "--epochs", "6", "--seeds", "2", "--resume") == 0
    rows = results.read_rows(folder / "results.csv")
    assert {row["trained_epochs"] for row in rows if row["features"] == "grace"} == {"6"}
    assert len(rows) == len(before)


def test_another_recipe_is_named_without_its_options(folder, data):
    begin(folder, Run("grace", "karate"), data)
    with pytest.raises(ValueError, match="options: the recipe was 'grace' and is 'gbt'"):
        begin(folder, Run("gbt", "karate"), data)


def test_a_checkpoint_of_more_epochs_than_its_run_is_refused(tmp_path, data):
    run = Run("grace", "karate", epochs=2, method={"hidden": 4, "proj": 4})
    train_seed(run, data, 0, tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    saved = checkpoint.load(path)
    longer = {"epoch": 4, "step": 4, "history": saved["history"] * 2}
    checkpoint.save({**saved, **longer}, path)
    with pytest.raises(CheckpointError, match="a run of another length"):
        train_seed(run, data, 0, tmp_path, resume=True)


def test_a_warm_up_cannot_be_lengthened(folder, capsys):
    assert trained(folder, "--warmup", "1") == 0
    assert trained(folder, "--warmup", "1", "--epochs", "6", "--resume") == 2
    assert "--warmup set every step's lr" in capsys.readouterr().err


def test_a_seed_with_an_untrained_row_alone_is_not_done(folder):
    assert trained(folder) == 0
    path = folder / "results.csv"
    whole = results.read_rows(path)
    results.write_rows(path, [row for row in whole if row["features"] != "grace"])
    assert trained(folder, "--resume") == 0
    again = results.read_rows(path)
    assert [row["features"] for row in again] == [row["features"] for row in whole]
    assert [row["accuracy"] for row in again] == [row["accuracy"] for row in whole]


def test_a_row_without_its_number_is_named(folder, capsys):
    assert trained(folder) == 0
    rows = results.read_rows(folder / "results.csv")
    rows[-1]["accuracy"] = ""
    results.write_rows(folder / "results.csv", rows)
    capsys.readouterr()
    assert trained(folder, "--resume") == 2
    said = capsys.readouterr().err
    assert "results.csv: the row of seed 0, features grace has '' for its accuracy" in said


def test_one_seed_alone(folder):
    assert trained(folder, "--seed", "3") == 0
    seeds = [row["seed"] for row in results.read_rows(folder / "results.csv")]
    assert seeds == ["-1", "-1", "3", "3"]  # raw and propagated features, untrained and trained
    assert read_run(folder).seeds == [3]
    assert trained(folder, "--seeds", "1", "--resume") == 0
    assert read_run(folder).seeds == [0, 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 0.1}, "other options"),
        ({"epochs": 4}, "a run of another length"),
        ({"method": {"tau": 0.9, "hidden": 4, "proj": 4}}, "other options"),
        ({"recipe": "gca"}, "another recipe"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, data, change, said):
    run = Run("grace", "karate", epochs=2, method={"hidden": 4, "proj": 4})
    train_seed(replace(run, **change), data, 0, tmp_path)
    with pytest.raises(CheckpointError, match=said):
        train_seed(run, data, 0, tmp_path, resume=True)


def test_a_checkpoint_of_another_seed_or_graph_is_refused(tmp_path, data):
    run = Run("grace", "karate", epochs=2, method={"hidden": 4, "proj": 4})
    train_seed(run, data, 0, tmp_path)
    with pytest.raises(CheckpointError, match="is of another seed"):
        train_seed(run, data, 1, tmp_path, resume=True)
    other = data.clone()
    other.edge_index = other.edge_index[:, 20:]
    with pytest.raises(CheckpointError, match="other data"):
        train_seed(run, other, 0, tmp_path, resume=True)
    train_seed(run, data, 0, tmp_path, resume=True)


def test_a_checkpoint_that_says_nothing_of_its_run_is_refused(tmp_path, data):
    method = gcl.methods.grace(data, hidden=4, proj=4)
    path = tmp_path / "checkpoint.safetensors"
    gcl.fit(method, data, epochs=2, callbacks=[gcl.callbacks.Checkpoint(path)])
    assert "about" not in checkpoint.load(path)
    run = Run("grace", "karate", epochs=2, method={"hidden": 4, "proj": 4})
    with pytest.raises(CheckpointError, match="other options"):
        train_seed(run, data, 0, tmp_path, resume=True)


def test_kept_runs_are_plain(tmp_path):
    Kept(Run("grace", "karate"), [0], "abc", [200]).write(tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text())["data"] == "abc"
