"""`fit` under a process group: one training, whichever way it goes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gcl import checkpoint
from tests.distributed.fits import (
    broken,
    callbacks_of,
    failing,
    history_of,
    interrupted,
    one_and_several,
    other_size,
    refused,
    resumed,
    unlike,
)
from tests.equal_files import equal_but_for_time


@pytest.mark.parametrize(("name", "wrapped"), [("gbt", False), ("grace", True)])
def test_a_training_is_that_of_one_process(run, name, wrapped):
    found = run(one_and_several, name, wrapped)
    for history, expected, weights, _ in found:
        assert [row["loss"] for row in history] == pytest.approx(expected, rel=1e-9)
        assert weights < 1e-8
        assert history == found[0][0]
    told = [messages for *_, messages in found]
    assert len(told[0]) == (name == "gbt")
    assert not any(told[1:])


@pytest.mark.parametrize("contrast", ["global", "local"])
def test_history_and_weights_are_equal_and_views_are_not(run, contrast):
    found = run(history_of, contrast)
    assert all(history == found[0][0] and equal for history, equal, *_ in found)
    assert len({drawn for *_, drawn, _ in found}) == run.size


def test_local_is_another_loss(run_two):
    local, whole = (run_two(history_of, how)[0][0] for how in ("local", "global"))
    assert local[0]["loss"] != pytest.approx(whole[0]["loss"], rel=1e-3)


def test_callbacks_run_on_the_first_rank_and_stop_all(run):
    for rank, (first, every, epoch, stop, finished) in enumerate(run(callbacks_of, 2)):
        assert first == ([1, 2] if rank == 0 else [])
        assert (every, epoch, stop, finished) == ([1, 2], 2, "told to", True)


@pytest.mark.parametrize(
    ("how", "culprit", "kind", "said"),
    [
        ("loader", -1, "RuntimeError", "the file is gone"),
        ("callback", 0, "OSError", "the disk is full"),
        ("forward", -1, "KeyError", "a bug of mine"),
        ("start", -1, "ValueError", "NaN"),
    ],
)
def test_an_error_of_one_rank_ends_all(run, how, culprit, kind, said):
    found = run(failing, how)
    culprit %= run.size
    for rank, (raised, message, seconds, other) in enumerate(found):
        assert raised == (kind if rank == culprit else "RankFailedError")
        assert said in message
        assert seconds < 60
        if rank != culprit:
            assert other
            assert f"rank {culprit} has failed" in message


@pytest.mark.parametrize(
    ("how", "met"),
    [
        ("arguments", True),
        ("on_start", True),
        ("loss after 0", False),
        ("loss after 1", False),
        ("wrapped", False),
        ("last layer", False),
        ("first layer", False),
        ("optimizer", True),
        ("after_step", True),
        ("on_step_end", True),
        ("on_epoch_end", True),
        ("on_end", True),
    ],
)
def test_no_rank_waits_for_one_that_has_failed(run, how, met):
    """Neither at a meeting nor in a collective that the failed one never comes to."""
    said = "clip must be above 0" if how == "arguments" else "a bug of mine"
    answers = run.outcomes(broken, how, anew=True, seconds=50)
    for rank, (fine, found) in enumerate(answers):
        assert fine, found
        raised, message, seconds = found
        assert said in message
        assert seconds < (8 if met else 15)
        if rank == run.size - 1:
            assert raised == ("ValueError" if how == "arguments" else "KeyError")
        else:
            assert raised == "RankFailedError"
            assert f"rank {run.size - 1} has failed" in message


def test_fewer_batches_on_one_rank_are_an_error_on_all(run):
    for kind, message, _, _ in run(failing, "fewer"):
        assert kind == "ValueError"
        assert f"the loader of rank {run.size - 1} gave 1 batches" in message


def test_refused(run_two):
    for messages, epoch in run_two(refused):
        assert len(messages) == 3
        assert "2 processes were given a whole graph each; give each batches" in messages[0]
        assert "contrast" in messages[1]
        assert "POT trains in one process" in messages[2]
        assert epoch == 1


def test_resumed_bit_for_bit_from_one_file(run, tmp_path):
    found = run(resumed, str(tmp_path), 2)
    for same, (expected, got), epoch, _ in found:
        assert same
        assert expected == got
        assert epoch == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "part.safetensors",
        "whole.safetensors",
    ]
    assert len(checkpoint.load(tmp_path / "part.safetensors")["ranks"]) == run.size
    for epoch, told in run(other_size, str(tmp_path / "whole.safetensors")):
        assert epoch == 6
        assert any(f"written by {run.size} processes and goes on in 1" in text for text in told)


def test_goes_on_from_the_very_step(run_two, tmp_path):
    for steps, ends in run_two(interrupted, str(tmp_path)):
        assert steps == 4
        assert ends == [(2, 0)] * (steps + 1)
    whole = checkpoint.load(tmp_path / "whole")
    assert len(whole["ranks"]) == run_two.size
    for step in range(1, steps + 1):
        assert equal_but_for_time(checkpoint.load(tmp_path / str(step)), whole)


@pytest.mark.parametrize("epoch", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_rank_comes_back_to_the_same_bits(tmp_path, epoch):
    root = Path(__file__).parents[2]
    script = root / "tests" / "distributed" / "restarted.py"
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    saved = []
    for name, further in (("left", []), ("killed", [str(epoch)])):
        folder = tmp_path / name
        folder.mkdir()
        command = [
            *(sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "--max-restarts", "2", str(script), str(folder), *further),
        ]
        done = subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, timeout=150
        )
        assert done.returncode == 0, done.stderr[-2000:]
        saved.append(checkpoint.load(folder / "checkpoint.safetensors"))
    assert (tmp_path / "killed" / "killed").exists()
    left, killed = saved
    for key, value in left["method"].items():
        assert torch.equal(value, killed["method"][key])
    assert [r["loss"] for r in left["history"]] == [r["loss"] for r in killed["history"]]
    for one, other in zip(left["ranks"], killed["ranks"], strict=True):
        assert torch.equal(one["random"]["torch"], other["random"]["torch"])


@pytest.mark.parametrize("how", ["epochs", "callbacks"])
def test_ranks_are_told_the_same(run_two, how):
    for message in run_two(unlike, how):
        assert f"every rank must be given the same {how}" in message
