"""The command that trains a run again."""

import shlex

import pytest

from gcl.cli.options import underscored
from gcl.experiments.composition import compose
from gcl.experiments.config import parsed_run, run_of
from gcl.experiments.run import Run, options_digest
from gcl.report.repeat import commands, options


def typed(command):
    """The run that a command line says."""
    _, _, recipe, dataset, *words = shlex.split(command)
    composition = compose(recipe)
    chosen = parsed_run(composition, underscored(words))
    return run_of(composition, dataset, chosen), chosen


@pytest.mark.parametrize(
    "words",
    [
        "grace digits",
        "grace digits --mask-feature [0,0] --normalize false --tau 0.3 --epochs 7 --warmup 2",
        "grace+macl+pot karate --macl.alpha 0.1 --pot.kappa 0.2 --lr 0.01",
        "meow hetero_sbm --paths.topk 7 --patience 5 --probe-lr 0.5",
        "bgrl karate --epochs 30",
        "grace karate --encoder propagated --optimizer AdamW --precision bf16 --diagnose 3",
        "grace karate --loader neighbors --fanout=-1,-1 --batch-size 8 --norm batch",
    ],
)
def test_it_gives_the_same_run(words):
    run, _ = typed(f"gcl train {words}")
    (command,) = commands(run, [0, 1])
    again, chosen = typed(command)
    assert again == run
    assert options_digest(again) == options_digest(run)
    assert (chosen.seeds, chosen.out) == (2, "again")


def test_what_is_as_usual_is_not_typed():
    run, _ = typed("gcl train dgi karate")
    assert commands(run, [0]) == ["gcl train dgi karate --out again"]


def test_seeds_that_are_not_the_first_have_a_line_each():
    lines = commands(Run("dgi", "karate", epochs=200, lr=0.001), [2, 5])
    assert [line.split("again ")[1] for line in lines] == ["--seed 2", "--seed 5 --resume"]


def test_a_recipe_that_is_gone_tells_all_options():
    run = Run("no_module:recipe", "own data.csv", method={"width": 3})
    assert ("width", "3", True) in options(run)
    (command,) = commands(run, [0])
    assert shlex.split(command)[3] == "own data.csv"
    assert "--width 3" in command


def test_folder_and_device_are_those_of_a_machine():
    names = [name for name, _, _ in options(Run("dgi", "karate", root="/home/me", device="cuda"))]
    assert "root" not in names
    assert "device" not in names
