"""`gcl train` as a user meets it: tables, JSON, files, resuming."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gcl
from gcl import checkpoint
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.run import Run, train_seed
from tests.equal_files import equal_but_for_time

SMALL = ["--hidden", "8", "--proj", "8", "--epochs", "3"]


def test_train_prints_raw_untrained_trained_and_the_protocol(capsys):
    assert main(["train", "grace", "karate", *SMALL]) == 0
    out = capsys.readouterr().out
    rows = [out.index(name) for name in ("raw features", "untrained", "grace  ")]
    assert rows == sorted(rows)
    assert "random-10-10-80: 20 splits" in out


def test_options_come_from_the_signature(capsys):
    assert main(["train", "grace", "--help"]) == 0
    out = capsys.readouterr().out
    assert "temperature of the contrast" in out
    for option in ("hidden", "drop_edge", "weight_decay", "seeds", "config", "out"):
        assert f"--{option}" in out


def test_json_numbers_equal_the_python_ones(capsys):
    assert main(["train", "grace", "karate", *SMALL, "--weight-decay=0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"]["weight_decay"] == 0
    data = gcl.datasets.load("karate")
    probe = gcl.evaluate.linear_probe(data.x, data.y)
    assert result["results"]["raw features"]["accuracy"] == pytest.approx(probe["accuracy"])
    assert 0 <= result["results"]["grace"]["accuracy"] <= 1


def test_several_targets_a_node_are_probed_and_not_clustered(own, tmp_path, capsys):
    out = str(tmp_path / "run")
    command = ["train", "dgi", "own_graphs:targets", "--hidden=4", "--epochs=2", "--out", out]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "propagated features" in told
    assert "k-means" not in told
    kept = results.read_rows(tmp_path / "run" / "results.csv")
    assert main([*command, "--resume"]) == 0  # nothing is missing
    assert results.read_rows(tmp_path / "run" / "results.csv") == kept


def test_without_clusters_nothing_is_said_of_them(capsys):
    assert main(["train", "grace", "karate", *SMALL]) == 0
    assert "ACC, NMI, ARI" in capsys.readouterr().out
    assert main(["train", "grace", "karate", *SMALL, "--no-cluster"]) == 0
    assert "ACC, NMI, ARI" not in capsys.readouterr().out


def test_out_resume_and_plot(tmp_path, capsys):
    out = tmp_path / "run"
    base = ["train", "grace", "karate", *SMALL, "--out", str(out)]
    assert main([*base, "--seeds", "1"]) == 0
    first = results.read_rows(out / "results.csv")
    assert [row["seed"] for row in first] == ["-1", "-1", "0", "0"]
    assert main([*base, "--seeds", "2"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert results.read_rows(out / "results.csv") == first
    assert main([*base, "--seeds", "2", "--resume"]) == 0
    assert results.read_rows(out / "results.csv")[:4] == first
    assert checkpoint.load(out / "seed-1" / "checkpoint.safetensors")["epoch"] == 3
    assert main([*base, "--tau", "0.9", "--resume"]) == 2
    assert "other options" in capsys.readouterr().err
    assert main(["plot", str(out), "--projection", "pca"]) == 0
    for name in ("loss", "embedding", "similarity"):
        assert (out / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("recipe", ["graphcl", "mvgrl_graph"])
def test_sets_of_graphs_train_and_resume(toy, recipe, tmp_path, capsys):
    options = ["--hidden", "4", "--epochs", "2", "--batch-size", "16", "--out"]
    assert main(["train", recipe, "toy", *options, str(tmp_path / "a"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"]["protocol"] == "10-fold-svm"
    assert result["results"]["raw features"]["accuracy"] > 0.9
    assert 0 < result["results"][recipe]["accuracy"] <= 1
    for seeds in ("1", "2"):
        again = ["train", recipe, "toy", *options, str(tmp_path / "b"), "--resume"]
        assert main([*again, "--seeds", seeds]) == 0
    first, second = (results.read_rows(tmp_path / p / "results.csv") for p in "ab")
    assert len(second) == 6
    for row, same in zip(first, second, strict=False):
        assert row["accuracy"] == same["accuracy"]
    assert main(["plot", str(tmp_path / "a"), "--projection", "pca"]) == 0
    assert (tmp_path / "a" / "similarity.png").exists() == (recipe == "graphcl")


def test_sets_of_graphs_name_their_protocol(toy, capsys):
    assert main(["train", "graphcl", "toy", "--hidden", "4", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "10-fold-svm: 5 divisions into 10 stratified" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grace", "toy"], "grace gives 240 embeddings for the 40 graphs of toy"),
        (["graphcl", "karate", "--epochs", "1"], "graphcl gives 1 embeddings for the 34 nodes"),
        (["graphcl", "toy", "--protocol", "e1"], "a set of graphs, which protocol 'e1' is not for"),
        (["grace", "karate", "--protocol", "10-fold-svm"], "karate is one graph"),
        (["graphcl", "toy", "--batch-size", "-1"], "--batch_size must be >= 0"),
        (["graphcl", "toy", "--drop-node", "2"], "NodeDropping: p must lie in [0, 1], got 2"),
    ],
)
def test_graphs_and_nodes_are_not_mixed_up(toy, arguments, message, capsys):
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_own_graph_and_recipe(own):
    assert main(["train", f"{own}:recipe", f"{own}:good", "--epochs", "2"]) == 0


def test_corrupted_checkpoint(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["train", "grace", "karate", *SMALL, "--out", str(out), "--resume"]
    assert main(options) == 0
    saved = out / "seed-0" / "checkpoint.safetensors"
    saved.write_bytes(saved.read_bytes()[:-9])
    (out / "results.csv").unlink()
    capsys.readouterr()
    assert main(options) == 2
    err = capsys.readouterr().err
    assert "not a readable checkpoint" in err
    assert len(err.strip().splitlines()) == 1


def test_damaged_results_and_embeddings(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["train", "grace", "karate", *SMALL, "--out", str(out), "--resume"]
    assert main(options) == 0
    (out / "seed-0" / "embedding.npy").write_bytes(b"")
    assert main(["plot", str(out)]) == 2
    assert "embedding.npy is damaged" in capsys.readouterr().err
    (out / "results.csv").write_text("nonsense\n")
    assert main(options) == 2
    assert "no column 'seed'" in capsys.readouterr().err
    (out / "run.json").unlink()
    assert main([*options, "--tau", "5"]) == 2
    assert "no run.json" in capsys.readouterr().err


def test_missing_files_name_the_place(tmp_path, capsys):
    assert main(["train", "grace", "cora", "--root", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "ind.cora.x" in err
    assert str(tmp_path / "planetoid") in err


def test_raw_features_are_not_probed_again_on_resume(tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    command = ["train", "grace", "karate", *SMALL, "--out", str(tmp_path / "run"), "--resume"]
    with monkeypatch.context() as patch:
        patch.setattr("gcl.cli.train.train_seed", interrupt)
        assert main(command) == 130
    monkeypatch.setattr("gcl.cli.train.reference_rows", None)
    assert main(command) == 0
    assert "raw features" in capsys.readouterr().out


def test_a_graph_without_labels_is_trained_and_its_embedding_kept(own, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "grace", f"{own}:no_labels", *SMALL, "--out", str(out), "--resume"]
    assert main([*command, "--seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "has no labels (data.y): nothing was evaluated" in told
    assert f"{out}/seed-1/embedding.npy" in told
    z = np.load(out / "seed-0" / "embedding.npy")
    assert z.shape == (34, 8)
    rows = results.read_rows(out / "results.csv")
    assert [row["features"] for row in rows] == ["grace", "grace"]
    log = results.read_rows(out / "seed-1" / "log.csv")
    assert rows[1]["loss"] == log[-1]["loss"]
    assert main([*command, "--seeds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["loss"] == {"0": float(rows[0]["loss"]), "1": float(rows[1]["loss"])}
    # The same training as with labels.
    data = gcl.datasets.load("karate")
    run = Run("grace", "karate", epochs=3, lr=5e-4, method={"hidden": 8, "proj": 8})
    train_seed(run, data, 0, tmp_path / "labelled")
    assert np.array_equal(np.load(tmp_path / "labelled" / "embedding.npy"), z)
    assert main(["plot", str(out), "--projection", "pca"]) == 0


@pytest.mark.parametrize("recipe", ["meow", "adameow", "heco"])
def test_every_listed_graph_can_be_trained_on(recipe, monkeypatch, capsys):
    few = replace(gcl.evaluate.HETERO_PROTOCOLS["hetero-20"], epochs=5)
    monkeypatch.setitem(gcl.evaluate.HETERO_PROTOCOLS, "hetero-20", few)
    assert main(["train", recipe, "hetero-sbm", "--hidden", "8", "--epochs", "1"]) == 0
    assert "hetero-20" in capsys.readouterr().out


@pytest.mark.filterwarnings("default")  # shown by the command line, not raised
def test_a_collapse_is_named(own, capsys):
    """Of nodes that no view tells apart: which rate collapses others is a matter of rounding."""
    views = ["--drop-edge", "0,0", "--mask-feature", "0,0"]
    command = ["train", "grace", "own_graphs:alike", *SMALL[:4], *views, "--epochs", "20"]
    assert main([*command, "--lr", "10"]) == 0
    err = capsys.readouterr().err
    assert re.search("warning: fit: the loss stood still in the last 10 epochs, at", err)
    assert "at 4.20469: the method has collapsed" in err  # log(2 * 34 - 1)
    assert main(["train", "grace", "karate", *SMALL[:4], "--epochs", "30"]) == 0
    assert "collapsed" not in capsys.readouterr().err


HOPPED = """
import torch
import gcl
from torch_geometric.transforms import HalfHop

def graph():
    torch.manual_seed(0)
    data = gcl.datasets.sbm(90, 3, num_features=4)
    for part, name in enumerate(("train", "val", "test")):
        data[f"{name}_mask"] = torch.arange(90) % 3 == part
    return HalfHop()(data)

def longer():
    data = graph()
    for name in ("y", "train_mask", "val_mask", "test_mask"):
        rows = data[name].new_ones(len(data.x))
        rows[:90] = data[name]
        data[name] = rows
    return data
"""


@pytest.mark.parametrize("protocol", ["random-10-10-80", "public"])
def test_helper_rows_of_a_transform_have_no_label(protocol, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hopped.py").write_text(HOPPED)
    found = []
    for name in ("graph", "longer"):
        command = ["train", "dgi", f"hopped.py:{name}", "--hidden", "4", "--epochs", "1", "--json"]
        assert main([*command, "--protocol", protocol]) == 0
        found.append(json.loads(capsys.readouterr().out)["results"])
    assert found[0] == found[1]
    assert {"raw features", "propagated", "untrained", "dgi"} == set(found[0])


def torchrun(out, *further, restarts=0):
    """`gcl train` in two processes, begun."""
    return subprocess.Popen(
        [
            *(sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "--max-restarts", str(restarts), "-m", "gcl", "train"),
            *("grace", "karate", *SMALL[:4], "--loader", "neighbors", "--fanout", "5,5"),
            *("--batch-size", "6", "--no-cluster", "--out", str(out), *further),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def kept(out):
    embedding = np.load(out / "seed-0" / "embedding.npy")
    return checkpoint.load(out / "seed-0" / "checkpoint.safetensors"), embedding


@pytest.mark.slow
def test_several_processes_train_one_method_and_the_first_tells(tmp_path):
    out = tmp_path / "out"
    process = torchrun(out, "--epochs", "4", "--seeds", "2")
    told, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert told.count("grace on karate") == 1
    assert said.count("4 epochs in") == 2  # of the two seeds
    rows = results.read_rows(out / "results.csv", ("accuracy",))
    assert [row["seed"] for row in rows if row["features"] == "grace"] == ["0", "1"]
    saved, embedding = kept(out)
    assert (len(saved["ranks"]), saved["epoch"], saved["step"]) == (2, 4, 12)
    assert embedding.shape == (34, 8)
    # What the file holds gives the embedding, by another way.
    method = gcl.methods.grace(gcl.datasets.load("karate"), hidden=8, proj=8)
    method.load_state_dict(saved["method"])
    z = gcl.embed(method, gcl.datasets.load("karate"))
    np.testing.assert_allclose(z.numpy(), embedding, atol=1e-6)
    again = torchrun(out, "--epochs", "4", "--seeds", "2")
    _, said = again.communicate(timeout=100)
    assert again.returncode != 0
    assert "holds a run already; go on with --resume" in said
    assert "Traceback" not in said.partition("torch/distributed")[0]


def rank_processes(launcher):
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    return [int(child) for child in children]


@pytest.mark.slow
def test_a_killed_process_comes_back_to_the_same_bits(tmp_path):
    out, epochs = tmp_path / "killed", 60
    process = torchrun(out, "--epochs", str(epochs), "--resume", restarts=3)
    path = out / "seed-0" / "checkpoint.safetensors"
    for rank in (1, 0):
        known, limit = rank_processes(process), time.monotonic() + 60
        before = path.stat().st_mtime_ns if path.exists() else 0
        while not path.exists() or path.stat().st_mtime_ns == before or len(known) < 2:
            known = rank_processes(process)
            assert time.monotonic() < limit
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(known[rank], signal.SIGKILL)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert said.count("failed (exitcode: -9)") == 2
    whole = torchrun(tmp_path / "whole", "--epochs", str(epochs))
    whole.communicate(timeout=100)
    assert whole.returncode == 0
    (one, z), (other, z_killed) = kept(tmp_path / "whole"), kept(out)
    assert equal_but_for_time(
        {key: value for key, value in one.items() if key != "callbacks"},
        {key: value for key, value in other.items() if key != "callbacks"},
    )
    assert np.array_equal(z, z_killed)


def test_torchrun_needs_batches(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "grace", "karate", *SMALL, "--out", str(tmp_path / "o")]) == 2
    assert "each of the 2 processes trains on batches of its own; give" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("command", [["bench", "configs"], ["select", "karate", "grid.toml"]])
def test_other_commands_are_one_process(capsys, monkeypatch, command):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(command) == 2
    assert "is one process; it starts its own with --jobs" in capsys.readouterr().err
