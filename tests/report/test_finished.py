"""A folder as a report reads it, whole or damaged."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch

import gcl
from gcl.report.finished import read_finished
from gcl.report.pairs import similarities


def rewrite(folder, **changes):
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content["run"] |= changes
    path.write_text(json.dumps(content))


def test_what_a_folder_holds(folder):
    found = read_finished(folder)
    assert (found.seeds, found.unfinished, found.shown) == ([0, 1], [], 0)
    assert np.array_equal(found.z.numpy(), np.load(folder / "seed-0" / "embedding.npy"))
    with (folder / "seed-1" / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert [row["loss"] for row in found.logs[1]] == losses
    assert "alignment" not in found.logs[1][0]
    assert "alignment" in found.logs[1][1]  # every second epoch
    assert torch.equal(found.data.y, gcl.datasets.load("karate").y)
    assert found.made["torch"] == torch.__version__


def test_another_seed(folder):
    assert read_finished(folder, 1).home == folder / "seed-1"
    with pytest.raises(ValueError, match=r"no finished training of seed 5; it has 0, 1\."):
        read_finished(folder, 5)


def test_a_seed_that_has_not_ended_is_left_out(folder):
    (folder / "seed-0" / "embedding.npy").unlink()
    found = read_finished(folder)
    assert (found.seeds, found.unfinished, found.shown) == ([1], [0], 1)
    assert {row["seed"] for row in found.rows} == {"-1", "1"}
    (folder / "seed-1" / "embedding.npy").unlink()
    with pytest.raises(ValueError, match=r"has no finished training; end it first .* --resume"):
        read_finished(folder)


def written(folder, text):
    (folder / "run.json").write_text(text)
    return folder


def emptied(folder):
    (folder.parent / "empty").mkdir()
    return folder.parent / "empty"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nothing", r"\(there is no such folder\); give a folder made by"),
        (lambda folder: folder / "seed-1", r"\(there is none\); its run is in .*a run"),
        (lambda folder: folder / "results.csv", r"\(it is a file\); its run is in .*a run"),
        (lambda folder: written(folder, ""), "it is cut or damaged: Expecting value"),
        (lambda folder: written(folder, '{"run": {"recipe"'), "it is cut or damaged: Expecting"),
        (lambda folder: written(folder, "{}"), "it lacks 'seeds'"),
        (lambda folder: written(folder, "null"), "it is damaged"),
        (emptied, r"\(it is empty\); give a folder made by"),
    ],
)
def test_folders_without_a_run_are_told_in_a_sentence(trained, tmp_path, make, message):
    folder = shutil.copytree(trained, tmp_path / "a run")
    with pytest.raises(ValueError, match=r"holds no readable run\.json .*" + message) as caught:
        read_finished(make(folder))
    assert "\n" not in str(caught.value)


def test_a_name_with_spaces_is_quoted_in_what_to_type(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "a run")
    for seed in (0, 1):
        (folder / f"seed-{seed}" / "embedding.npy").unlink()
    with pytest.raises(ValueError, match=r"gcl train --out '.*/a run' --resume"):
        read_finished(folder)


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("name", ["checkpoint.safetensors", "log.csv", "embedding.npy"])
def test_what_is_cut_is_named_or_its_part_left_out(folder, name, empty):
    path = folder / "seed-0" / name
    content = path.read_bytes()
    last = content.rstrip().rfind(b"\n") + 4 if name == "log.csv" else len(content) // 2
    path.write_bytes(b"" if empty else content[:last])
    if name == "embedding.npy" or (name == "log.csv" and not empty):
        with pytest.raises(ValueError, match=rf"{name} is damaged.*; .*(take|repair)"):
            read_finished(folder)
        return
    found = read_finished(folder)
    if name == "log.csv":
        assert found.logs[0] == []
    else:
        assert "The two views cannot be made again (" in similarities(found).note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((34, 4), dtype=int), "expected an embedding"),
        (np.zeros(34, dtype=np.float32), "expected an embedding"),
        (np.full((34, 4), np.nan, dtype=np.float32), "NaN or infinite"),
    ],
)
def test_embeddings_that_are_none(folder, content, said):
    np.save(folder / "seed-0" / "embedding.npy", content)
    with pytest.raises(ValueError, match=said):
        read_finished(folder)


def test_files_that_are_cut(folder):
    path = folder / "seed-0" / "embedding.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"embedding\.npy is damaged"):
        read_finished(folder)


def test_a_log_without_numbers(folder):
    (folder / "seed-0" / "log.csv").write_text("epoch,loss\n1,much\n")
    with pytest.raises(ValueError, match=r"log\.csv is damaged: .*much"):
        read_finished(folder)


def test_results_without_a_seed(folder):
    path = folder / "results.csv"
    path.write_text(path.read_text().replace("\n0,", "\nzero,"))
    with pytest.raises(ValueError, match=r"results\.csv is damaged: .*zero"):
        read_finished(folder)


@pytest.mark.parametrize(
    ("dataset", "said"), [("nowhere", "nowhere"), ("no_module:graph", "no_module")]
)
def test_data_that_are_gone(folder, dataset, said):
    rewrite(folder, dataset=dataset)
    found = read_finished(folder)
    assert found.data is None
    assert said in found.absent
    assert found.absent.endswith(".")


def test_data_that_have_changed(folder):
    rewrite(folder, dataset="digits")
    assert read_finished(folder).absent == "it is not what it was when the folder was made."


def test_data_that_are_not_asked_for(folder, monkeypatch):
    monkeypatch.setattr("gcl.report.finished.load_data", lambda run: 1 / 0)
    found = read_finished(folder, with_data=False)
    assert (found.data, found.absent) == (None, "it was not asked for.")
    assert read_finished(folder).absent == "division by zero."


def test_nothing_is_written(folder, tmp_path):
    before = shutil.copytree(folder, tmp_path / "before")
    read_finished(folder)
    names = {p.relative_to(before): p.read_bytes() for p in before.rglob("*") if p.is_file()}
    assert names == {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
