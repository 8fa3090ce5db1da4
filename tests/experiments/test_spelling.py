"""Options as people type them: what they mean, and what is said of those that mean nothing."""

import re
from pathlib import Path
from typing import Literal

import pytest

from gcl.experiments.composition import compose
from gcl.experiments.config import run_parser
from gcl.experiments.spelling import in_words, parsed


def read(*options, recipe="grace"):
    return parsed(run_parser(compose(recipe)), options).as_dict()


@pytest.mark.parametrize(
    "typed",
    ["0.3,0.4", "0.3 0.4", "(0.3, 0.4)", "[0.3, 0.4]", "(0.3,0.4,)", "0.3, 0.4"],
)
def test_several_numbers(typed):
    assert read("--drop_edge", *typed.split(" "))["drop_edge"] == (0.3, 0.4)
    assert read("--drop_edge", typed, "--tau", "0.7")["drop_edge"] == (0.3, 0.4)
    assert read(f"--drop_edge={typed}", "--json")["drop_edge"] == (0.3, 0.4)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--normalize"], True),
        (["--no_normalize"], False),
        (["--normalize", "0"], False),
        (["--normalize=1"], True),
        (["--normalize", "False"], False),
        (["--normalize", "yes"], True),
        (["--normalize", "off", "--tau", "0.5"], False),
        (["--no_normalize", "--normalize"], True),
    ],
)
def test_truths(typed, meant):
    assert read(*typed)["normalize"] is meant


def test_one_number_or_several():
    assert read("--mask_edge", "0.3", recipe="meow")["mask_edge"] == 0.3
    assert read("--mask_edge", "0.3,0.2", recipe="meow")["mask_edge"] == [0.3, 0.2]
    assert read("--clusters", "100", "300", recipe="meow")["clusters"] == (100, 300)
    assert read("--paths.topk", "10", recipe="meow")["paths"]["topk"] == 10
    assert read("--norm", "null", recipe="meow")["norm"] is None
    assert read("--weight_decay", "-1")["weight_decay"] == -1
    assert read("--resume", "--json", "false")["json"] is False


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--hidden", "eight"], "--hidden takes a whole number, got 'eight'."),
        (["--hidden", "8", "9"], "--hidden takes a whole number, got '8 9'."),
        (["--hidden"], "--hidden needs a value: a whole number."),
        (["--tau", "x"], "--tau takes a number, got 'x'."),
        (["--normalize", "maybe"], "--normalize takes true or false, got 'maybe'."),
        (["--precision", "fp8"], "--precision takes one of fp32, bf16, got 'fp8'."),
        (["--loader", "foo"], "--loader takes one of neighbors, parts, random-parts, got 'foo'."),
        (["--drop_edge", "0.3"], "--drop_edge takes 2 numbers, such as 0.2,0.4, got '[0.3]'."),
        (["--drop_edge", "a,b"], "--drop_edge takes 2 numbers, such as 0.2,0.4, got "),
        (["--hiden", "8"], "there is no option --hiden; did you mean 'hidden'? see --help"),
        (["--HIDDEN", "8"], "there is no option --HIDDEN; did you mean 'hidden'? see --help"),
        (["--zzz", "8"], "there is no option --zzz; see --help"),
        (["--see", "3"], "there is no option --see; did you mean "),
        (["--macl.alph", "3"], "there is no option --macl.alph; did you mean 'macl.alpha'?"),
        (["-tau", "3"], "unexpected '-tau'; did you mean 'tau'? options begin with two dashes"),
        (["stray"], "unexpected 'stray'; options begin with two dashes"),
        (["--resume", "3"], "--resume takes no value, got '3'."),
    ],
)
def test_what_is_said(typed, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        read(*typed, recipe="grace+macl")
    assert "<class" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (bool, "true or false"),
        (float | list[float], "a number or numbers, such as 0.2,0.4"),
        (tuple[int, ...] | int | None, "whole numbers, such as 100,300 or a whole number or null"),
        (Literal["a", "b"] | None, "one of a, b or null"),
        (list[list[str]], "a list in JSON"),
        (list, "a list in JSON"),
        (Path, "a path"),
        (dict, "a value in JSON"),
    ],
)
def test_types_in_words(hint, words):
    assert in_words(hint) == words
