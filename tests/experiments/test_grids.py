"""What is tried, read from files and mappings."""

import math

import pytest

from gcl.experiments.config import load_config
from gcl.experiments.grids import Try, read_grid


def test_a_file(tmp_path):
    (tmp_path / "grid.toml").write_text(
        'dataset = "karate"\nepochs = 7\nlr = 0.5\n'
        '[[try]]\nrecipe = "dgi"\nlr = 0.1\n[try.grid]\nhidden = [4, 8]\nnum_layers = [1, 2]\n'
        '[[try]]\nrecipe = "sugrl"\n[try.grid]\nhidden = [[4], [8, 8]]\nepochs = [1]\n'
        "[try.ranges]\nlr = {low = 1e-4, high = 1e-2, log = true}\n"
    )
    first, second = read_grid(load_config(tmp_path / "grid.toml"))
    assert first.options == {"epochs": 7, "lr": 0.1}
    assert [tuple(s.values()) for s in first.settings()] == [(4, 1), (4, 2), (8, 1), (8, 2)]
    assert second.options == {}  # what a grid or a range says takes the place of what all have
    run = second.run("karate", {"hidden": [8, 8], "epochs": 1, "lr": 0.001}, protocol="e2")
    assert (run.recipe, run.dataset, run.epochs, run.protocol) == ("sugrl", "karate", 1, "e2")
    assert run.method["hidden"] == (8, 8)


def test_options_of_variants():
    (one,) = read_grid([{"recipe": "grace+macl", "grid": {"macl.alpha": [0.1, 0.2]}}])
    runs = [one.run("karate", setting) for setting in one.settings()]
    assert [run.method["macl"]["alpha"] for run in runs] == [0.1, 0.2]


def test_no_grid_is_one_setting():
    assert list(Try("dgi").settings()) == [{}]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "expected what to try as a list of tables"),
        ({"try": []}, "expected what to try as a list of tables"),
        ([3], r"\[\[try\]\] must be a table of options, got 3"),
        ([{"grid": {}}], "lacks its recipe"),
        ([{"recipe": "dgi", "grid": {"hidden": 4}}], "must hold lists of values, got hidden = 4"),
        ([{"recipe": "dgi", "grid": {"hidden": []}}], "must hold lists of values"),
        ([{"recipe": "dgi", "lr": 1.0, "grid": {"lr": [1.0]}}], "lr of dgi is told twice"),
        ([{"recipe": "dgi", "ranges": {"lr": {"low": 0.1}}}], "a range is {low"),
        ([{"recipe": "dgi", "ranges": {"lr": {"low": 0, "high": 1, "up": 2}}}], "a range is {low"),
        ([{"recipe": "dgi", "ranges": {"lr": {"low": 0, "high": math.inf}}}], "a range is {low"),
    ],
)
def test_messages(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_grid(content)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"low": 3, "high": 1}, "low must not be above high"),
        ({"low": 1, "high": 3, "log": "yes"}, "log must be true or false"),
        ({"low": 1, "high": 3, "log": 1}, "log must be true or false"),
        ({"low": 0, "high": 3, "log": True}, "low must be above 0 with log"),
        ({"low": 1, "high": 3, "log": True, "step": 2}, "a step does not go with log"),
        ({"low": 0.1, "high": 0.3, "step": 0}, "step must be a number above 0"),
        ({"low": 0.1, "high": 0.3, "step": True}, "step must be a number above 0"),
        ({"low": 0.1, "high": 0.3, "step": math.nan}, "step must be a number above 0"),
        ({"low": 1, "high": 3, "step": 0.5}, "step must be a whole number"),
    ],
)
def test_a_range_that_nothing_can_be_drawn_from(told, sentence):
    with pytest.raises(ValueError, match=f"^select: range hidden of dgi: {sentence}"):
        read_grid([{"recipe": "dgi", "ranges": {"hidden": told}}])


@pytest.mark.parametrize(
    "told",
    [
        {"low": 1, "high": 1},
        {"low": 0, "high": 0.5, "step": 0.1},
        {"low": 2, "high": 8, "step": 2, "log": False},
    ],
)
def test_a_range_that_optuna_draws_from(told):
    (one,) = read_grid([{"recipe": "dgi", "ranges": {"dropout": told}}])
    assert one.ranges == {"dropout": told}


def test_samples_have_every_value_and_the_low_ends():
    one = Try("dgi", grid={"hidden": [4, 8], "epochs": [1, 2, 3]}, ranges={"lr": {"low": 0.1}})
    found = list(one.samples())
    assert all(setting["lr"] == 0.1 for setting in found)
    assert [(s["hidden"], s["epochs"]) for s in found] == [(4, 1), (8, 1), (4, 2), (4, 3)]


def test_a_setting_that_the_recipe_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"dgi: .*hiden"):
        Try("dgi").run("karate", {"hiden": 4})
