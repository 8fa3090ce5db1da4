"""The command line itself: usage, one sentence an error, exit codes."""

import os
import signal

import pytest

import gcl
from gcl.cli import main

SMALL = ["--hidden", "8", "--proj", "8", "--epochs", "3"]


GRACE = ["train", "grace", "karate"]

WRONG = [
    # the graph
    (["train", "grace", "own_graphs:nan"], "NaN"),
    (["train", "grace", "own_graphs:float_edges"], "edge_index"),
    (["train", "grace", "own_graphs:out_of_range"], "edge_index"),
    (["train", "grace", "own_graphs:attr_length"], "edge_attr"),
    (["train", "grace", "own_graphs:no_labels"], "give --out, the folder for the embedding"),
    (["train", "grace", "own_graphs:absent"], "cannot be imported"),
    (["train", "grace", "own_graphs:WORD"], "is not a function"),
    (["train", "grace", "no_such_module:f"], "No module named 'no_such_module'"),
    (["train", "grace", "./own_graphs.py"], "name one of its functions after a colon: good,"),
    (["train", "grace", "./absent.py:good"], "there is no file ./absent.py"),
    (["train", "grace", "g.pt"], "'g.pt' is a file or a path; write a function"),
    (["train", "grace", "data/graph"], "is a file or a path; write a function"),
    (["train", "grace", "koara"], "Unknown data set 'koara'"),
    (["train", "grace", "KORA"], "Unknown data set 'kora'; did you mean 'cora'?"),
    (["train", "grace", "hetero-sbm"], "grace"),
    (["train", "meow", "karate"], "meow"),
    (["train", "graphcl", "karate"], "graphcl gives 1 embeddings for the 34 nodes"),
    (["train", "grace"], "RECIPE and DATASET"),
    # the recipe
    (["train", "grase", "karate"], "Unknown recipe 'grase'; did you mean 'grace'? known: adameow"),
    (["train", "GRACE", "karate"], "Unknown recipe 'GRACE'; did you mean 'grace'?"),
    (["train", "grace+mcl", "karate"], "Unknown variant 'mcl'; did you mean 'macl'?"),
    (["train", "grace+macl+macl", "karate"], "'macl' stands twice"),
    (["train", "macl", "karate"], "Unknown recipe 'macl'"),
    (["train", "own_graphs:good", "karate"], "good is no recipe: it takes no graph"),
    (["train", "grace", "own_graphs:recipe"], "'own_graphs:recipe' must be a function of nothing"),
    # options
    ([*GRACE, "--drop-edge", "[1.3, 0.2]"], "lie in [0, 1], got 1.3"),
    ([*GRACE, "--drop-edge", "0.3"], "--drop_edge takes 2 numbers, such as 0.2,0.4"),
    ([*GRACE, "--drop-edge", "a,b"], "--drop_edge takes 2 numbers"),
    ([*GRACE, "--tau", "0"], "tau must be a number above 0"),
    ([*GRACE, "--tau", "nan"], "--tau takes a number, got 'nan'"),
    ([*GRACE, "--hidden", "eight"], "--hidden takes a whole number, got 'eight'"),
    ([*GRACE, "--hidden", "8.5"], "--hidden takes a whole number, got '8.5'"),
    ([*GRACE, "--hidden"], "--hidden needs a value: a whole number"),
    ([*GRACE, "--hidden", "0"], "at least 1"),
    ([*GRACE, "--proj", "0"], "at least 1"),
    ([*GRACE, "--act", "bogus"], "unknown activation 'bogus'"),
    ([*GRACE, "--normalize", "maybe"], "--normalize takes true or false, got 'maybe'"),
    ([*GRACE, "--precision", "fp8"], "--precision takes one of fp32, bf16"),
    ([*GRACE, "--what", "1"], "there is no option --what"),
    ([*GRACE, "--epoch", "1"], "there is no option --epoch; did you mean 'epochs'?"),
    ([*GRACE, "--Tau", "1"], "there is no option --Tau; did you mean 'tau'?"),
    ([*GRACE, "-tau", "1"], "options begin with two dashes"),
    ([*GRACE, "stray"], "unexpected 'stray'"),
    ([*GRACE, "--epochs", "-3"], "--epochs must be >= 0"),
    ([*GRACE, "--seeds", "0"], "--seeds must be at least 1"),
    ([*GRACE, "--seed", "-1"], "--seed must be at least 0"),
    ([*GRACE, "--seed", "1", "--seeds", "2"], "--seed names one seed and --seeds how many"),
    ([*GRACE, "--lr", "-1"], "--lr must be above 0"),
    ([*GRACE, "--lr", "0"], "--lr must be above 0"),
    ([*GRACE, "--lr", "nan"], "--lr takes a number, got 'nan'"),
    ([*GRACE, "--weight-decay", "-1"], "--weight_decay must be at least 0"),
    ([*GRACE, "--clip", "-1"], "--clip must be at least 0"),
    ([*GRACE, "--patience", "-1"], "--patience must be >= 0"),
    ([*GRACE, "--batch-size", "64"], "--batch_size is for sets of graphs and goes with --loader"),
    ([*GRACE, "--optimizer", "Nadir"], "torch.optim"),
    ([*GRACE, "--optimizer", "adamw"], "did you mean 'AdamW'?"),
    ([*GRACE, "--optimizer", "LBFGS"], "optimizer LBFGS does not take lr and weight_decay"),
    ([*GRACE, "--warmup", "5", "--epochs", "2"], "--warmup must be below --epochs, got 5 and 2"),
    (["train", "grace", "./own_graphs.py:god"], "own_graphs.py has no 'god'; did you mean 'good'?"),
    ([*GRACE, "--device", "meta"], "device 'meta' cannot be used here"),
    ([*GRACE, "--device", "bogus"], "device 'bogus'"),
    ([*GRACE, "--protocol", "mine"], "unknown protocol 'mine'"),
    ([*GRACE, "--protocol", "public"], "train_mask"),
    ([*GRACE, "--protocol", "hetero-20"], "karate is one graph"),
    ([*GRACE, "--macl.alpha", "0.2"], "there is no option --macl.alpha"),
    (["train", "grace+macl", "karate", "--macl", "0.2"], "--macl is a group of options; give one"),
    # files
    ([*GRACE, "--out", "/proc/gcl"], "/proc/gcl"),
    ([*GRACE, "--out", "own_graphs.py"], "own_graphs.py"),
    ([*GRACE, "--resume"], "--resume needs --out"),
    ([*GRACE, "--config", "none.toml"], "Cannot read none.toml"),
    ([*GRACE, "--config", "own_graphs.py"], "is not valid TOML"),
    # the other commands
    (["plot", "nowhere"], "run.json"),
    (["plot", ".", "--seed", "x"], "--seed"),
    (["plot", ".", "--projection", "x"], "--projection"),
    (["plot"], "folder"),
    (["bench", "nowhere"], "no folder nowhere"),
    (["bench", ".", "--what"], "unexpected '--what'"),
    (["bench", ".", "--job", "2"], "unexpected '--job'; did you mean '--jobs'? See gcl bench"),
    (["bench", ".", "--jobs", "two"], "expected a whole number, got 'two'"),
    (["bench", ".", "--only", "x/*"], "No configuration in . matches"),
    (["bench", ".", "--protocol", "mine"], "--protocol"),
    (["list", "--what"], "unexpected '--what'"),
    (["fly"], "unknown command 'fly'"),
    (["trian", "grace", "karate"], "did you mean 'train'?"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_wrong_input_is_one_sentence_and_exit_code_2(own, arguments, message, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("gcl: ")
    for word in ("Traceback", "<class", "Error:", "object at 0x"):
        assert word not in err


def test_a_training_that_breaks_down_is_3(own, capsys):
    assert main([*GRACE, *SMALL, "--lr", "1e30"]) == 3
    err = capsys.readouterr().err
    assert "lower lr" in err
    assert len(err.strip().splitlines()) == 1


def test_an_end_by_a_scheduler_is_143(monkeypatch, capsys):
    def end(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("gcl.cli.train.train_seed", end)
    assert main(GRACE) == 143
    assert capsys.readouterr().err == "gcl: ended by SIGTERM\n"


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
