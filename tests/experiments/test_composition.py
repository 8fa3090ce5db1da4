"""Recipes with variants around them by name, and what can be told to them; one of one's own."""

import copy
import inspect
from typing import Any, Literal

import pytest
import torch
from torch_geometric.transforms import BaseTransform

import gcl
from gcl.cli import main
from gcl.experiments.composition import compose, made, objects, words, words_or_objects
from gcl.experiments.config import read_config, run_parser
from gcl.methods import recipes, variants
from gcl.transforms import AddMetaPaths


def test_a_composition_is_its_parts():
    data = gcl.datasets.load("karate")
    options = {"hidden": 4, "macl": {"alpha": 0.2}, "pot": {"kappa": 0.1}}
    losses = []
    for build in (
        lambda: compose("grace+macl+pot").build(data, options),
        lambda: gcl.methods.pot(
            gcl.methods.macl(gcl.methods.grace(data, hidden=4), alpha=0.2), kappa=0.1
        ),
    ):
        torch.manual_seed(0)
        losses.append([row["loss"] for row in gcl.fit(build(), data, epochs=3).history])
    assert losses[0] == losses[1]


def test_a_name_is_resolved_once():
    assert compose("grace+macl") is compose("grace+macl")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grase", "Unknown recipe 'grase'; known: adameow"),
        ("grace+maccl", "Unknown variant 'maccl'; known: distil"),
        ("grace+grace", "Unknown variant 'grace'"),
        ("macl", "Unknown recipe 'macl'"),
        ("grace+macl+macl", "'macl' stands twice"),
        ("grace+distil", "distil needs 'data', an object that no option can name; call it from Py"),
        ("grace+with_negatives", "with_negatives needs 'negatives', an object that no option"),
        ("nowhere:grace", "recipe 'nowhere:grace' cannot be imported"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        compose(name)


def test_what_can_be_told_in_words():
    def recipe(
        data,
        *,
        width: int = 1,
        rates: tuple[float, ...] = (0.1,),
        either: list[int | None] | str | None = None,
        paths: AddMetaPaths = AddMetaPaths(topk=3),  # noqa: B008
        encoder: torch.nn.Module | None = None,
        view: BaseTransform | None = None,
        named: torch.nn.Module | Literal["mine"] | None = None,
        bare=3,
    ):
        return None

    assert list(words(recipe)) == ["width", "rates", "either", "named", "bare"]
    assert words_or_objects(recipe) == {"named": Literal["mine"] | None}
    assert objects(recipe) == {"paths": AddMetaPaths}
    given = made(recipe, {"paths": {"ties": "index"}, "width": 2})
    assert (given["paths"].topk, given["paths"].ties, given["width"]) == (3, "index", 2)
    with pytest.raises(ValueError, match="recipe has no option 'what'; it has width, rates"):
        made(recipe, {"what": 1})


@pytest.mark.parametrize("name", recipes.__all__)
def test_every_argument_of_a_recipe_is_an_option_or_the_encoder(name):
    recipe = getattr(recipes, name)
    rest = set(list(inspect.signature(recipe).parameters)[1:])
    assert rest - set(words(recipe)) - set(objects(recipe)) <= {"encoder"}


def test_grace_has_at_most_eleven_parameters_beside_the_graph():
    assert len(inspect.signature(gcl.methods.grace).parameters) - 1 <= 11


# A variant of one's own is one function.
def colder(method: Any, *, factor: float = 0.5) -> Any:
    """The same method at a lower temperature."""
    changed = copy.deepcopy(method)
    changed.objective.tau *= factor
    return changed


def test_a_new_variant_is_one_function(monkeypatch, capsys):
    gcl.testing.check_variant(
        colder, gcl.methods.grace(gcl.datasets.karate(), hidden=4), gcl.datasets.karate()
    )
    command = ["train", "grace+tests.experiments.test_composition:colder", "karate"]
    assert main([*command, "--hidden", "4", "--epochs", "1", "--colder.factor", "0.3"]) == 0
    assert "colder" in capsys.readouterr().out
    # Of the package it takes a line in its `__init__`.
    monkeypatch.setattr(variants, "colder", colder, raising=False)
    monkeypatch.setattr(variants, "__all__", [*variants.__all__, "colder"])
    compose.cache_clear()
    try:
        built = compose("grace+colder").build(gcl.datasets.karate(), {"tau": 0.4})
    finally:
        compose.cache_clear()
    assert built.objective.tau == pytest.approx(0.2)


def test_options_of_variants_and_objects_on_the_command_line(capsys):
    parser = run_parser(compose("pamc"))
    assert parser.parse_args(["--influence.order", "3"]).influence.order == 3
    parser = run_parser(compose("grace+macl+pot"))
    chosen = parser.parse_args(["--tau", "0.3", "--macl.alpha", "0.2", "--pot.kappa", "0.1"])
    assert (chosen.tau, chosen.macl.alpha, chosen.pot.kappa) == (0.3, 0.2, 0.1)
    small = ["--hidden", "4", "--proj", "4", "--epochs", "1"]
    assert main(["train", "grace+macl", "karate", *small, "--macl.beta", "2"]) == 2
    assert "--macl.beta" in capsys.readouterr().err
    assert main(["train", "grace+macl", "karate", *small, "--macl.alpha", "2"]) == 2
    assert "alpha must lie in [0, 1], got 2" in capsys.readouterr().err


def test_a_file_says_the_same(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(
        'recipe = "grace+macl"\ndataset = "Karate"\ntau = 0.3\nepochs = 7\n[macl]\nalpha = 0.2\n'
    )
    run, reported = read_config(path, epochs=9)
    assert (run.name, run.epochs, reported) == ("grace+macl/karate", 9, {})
    assert run.method["tau"] == 0.3
    assert run.method["macl"] == {"alpha": 0.2, "momentum": 0.0}
    path.write_text('recipe = "grace"\ndataset = "karate"\n[macl]\nalpha = 0.2\n')
    with pytest.raises(ValueError, match=r"c.toml: .*--macl"):
        read_config(path)


def no_method(method, *, strength: float = 1.0):
    """A variant that forgot to return."""


def epochs(method):
    """A variant called like an option of every run."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["grace+macl", "--macl", "0.2"], "--macl is a group of options; give one of --macl.alpha"),
        (["grace+macl", "--macl=m.toml"], "--macl is a group of options; give one of --macl.alpha"),
        (["meow", "--paths", "5"], "--paths is a group of options; give one of --paths.metapaths"),
        (["grace+tests.experiments.test_composition:no_method"], "no_method must return a gcl.Met"),
        (["grace+tests.experiments.test_composition:epochs"], "'epochs' is an option of every run"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(options, message, capsys):
    assert main(["train", options[0], "karate", *options[1:], "--epochs", "1"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1
    assert main(["train", "grace+macl", "--help"]) == 0
    assert "CONFIG    " not in capsys.readouterr().out.replace("--config CONFIG", "")


def test_a_group_in_a_file_is_a_table(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('recipe = "grace+macl"\ndataset = "karate"\nmacl = 0.2\n')
    with pytest.raises(ValueError, match=r"c.toml: --macl is a group of options"):
        read_config(path)
