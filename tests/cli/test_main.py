"""The command line itself: usage, one sentence an error, exit codes."""

import pytest

import gcl
from gcl.cli import main

SMALL = ["--hidden", "8", "--proj", "8", "--epochs", "3"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "grace", "own_graphs:nan"], 2, "NaN"),
        (["train", "grace", "own_graphs:float_edges"], 2, "edge_index"),
        (["train", "grace", "own_graphs:out_of_range"], 2, "edge_index"),
        (["train", "grace", "own_graphs:attr_length"], 2, "edge_attr"),
        (["train", "grace", "own_graphs:no_labels"], 2, "no labels"),
        (["train", "grace", "own_graphs:absent"], 2, "cannot be imported"),
        (["train", "grace", "karate", "--drop-edge", "[1.3, 0.2]"], 2, r"lie in [0, 1], got 1.3"),
        (["train", "grace", "karate", "--tau", "0"], 2, "tau must be a number above 0"),
        (
            ["train", "grace", "karate", "--hidden", "eight"],
            2,
            "--hidden takes a whole number, got 'eight'",
        ),
        (["train", "grace", "karate", "--what", "1"], 2, "--what"),
        (
            ["train", "grase", "karate"],
            2,
            "Unknown recipe 'grase'; did you mean 'grace'? known: adameow, afgrl",
        ),
        (["train", "grace", "koara"], 2, "Unknown data set 'koara'"),
        (["train", "grace", "karate", "--epochs", "-3"], 2, "--epochs must be >= 0"),
        (["train", "grace", "karate", "--seeds", "0"], 2, "--seeds must be at least 1"),
        (["train", "grace", "karate", "--lr", "-1"], 2, "--lr must be above 0"),
        (["train", "grace", "karate", "--optimizer", "Nadir"], 2, "torch.optim"),
        (["train", "grace", "karate", "--protocol", "mine"], 2, "unknown protocol 'mine'"),
        (["train", "grace", "karate", "--protocol", "public"], 2, "train_mask"),
        (["train", "grace", "karate", "--out", "/proc/gcl"], 2, "/proc/gcl"),
        (["train", "grace", "karate", "--resume"], 2, "--resume needs --out"),
        (["train", "grace", "karate", "--config", "none.toml"], 2, "none.toml"),
        (["train", "grace", "karate", *SMALL, "--lr", "1e30"], 3, "lower lr"),
        (["train", "grace"], 2, "RECIPE and DATASET"),
        (["plot", "nowhere"], 2, "run.json"),
        (["bench", "nowhere"], 2, "no folder nowhere"),
        (["bench", ".", "--what"], 2, "--what"),
        (["plot", ".", "--seed", "x"], 2, "--seed"),
        (["list", "--what"], 2, "--what"),
        (["fly"], 2, "unknown command 'fly'"),
        (["train", "grace", "karate", "--device", "bogus"], 2, "device 'bogus'"),
        (["train", "grace", "karate", "--hidden", "0"], 2, "at least 1"),
        (["train", "grace", "karate", "--proj", "0"], 2, "at least 1"),
        (["train", "grace", "karate", "--act", "bogus"], 2, "unknown activation 'bogus'"),
        (["train", "grace", "hetero-sbm"], 2, "heterogeneous"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(own, arguments, code, message, capsys):
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_interrupt_is_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gcl.cli.train.train_seed", interrupt)
    assert main(["train", "grace", "karate"]) == 130
    assert capsys.readouterr().err == "gcl: interrupted\n"


def test_usage(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    assert gcl.__version__ in capsys.readouterr().out
