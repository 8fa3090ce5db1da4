"""How recipes are trained unless told otherwise."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from gcl.experiments.composition import compose
from gcl.experiments.config import load_config, parsed_run
from gcl.experiments.run import Run
from gcl.methods import recipes
from gcl.training.settings import Settings, settings_of, trained_with

CONFIGS = Path(__file__).parents[2] / "benchmarks" / "configs"


def test_what_a_recipe_does_not_say_is_as_in_a_run():
    usual = {f.name: f.default for f in fields(Run)}
    assert {key: usual[key] for key in asdict(Settings())} == asdict(Settings())

    def silent(data): ...

    assert settings_of(silent) == Settings()
    assert settings_of(trained_with(lr=0.1)(silent)) == Settings(lr=0.1)


@pytest.mark.parametrize("epochs", [5, 50, 200, 400])
def test_a_warm_up_keeps_its_share(epochs):
    found = Settings(epochs=200, warmup=20).lasting(epochs)
    assert (found.epochs, found.warmup) == (epochs, epochs // 10)
    assert Settings().lasting(epochs).warmup == -1


def test_a_warm_up_is_shorter_than_the_training():
    assert Settings(epochs=10, warmup=9).lasting(1).warmup == 0


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"lr": 0.0}, ValueError),
        ({"weight_decay": -1.0}, ValueError),
        ({"rate": 1.0}, TypeError),
    ],
)
def test_settings_that_are_none(told, kind):
    with pytest.raises(kind):
        trained_with(**told)


def test_typed_options_come_before_the_recipes_own():
    gbt = compose("gbt")
    own = parsed_run(gbt, [])
    assert (own.epochs, own.optimizer, own.lr, own.warmup) == (200, "AdamW", 5e-4, 20)
    short = parsed_run(gbt, ["--epochs", "50", "--lr", "0.1"])
    assert (short.epochs, short.optimizer, short.lr, short.warmup) == (50, "AdamW", 0.1, 5)
    assert parsed_run(gbt, ["--epochs", "50", "--warmup=-1"]).warmup == -1


@pytest.mark.parametrize("name", recipes.__all__)
def test_a_recipes_own_settings_are_those_of_one_of_its_configurations(name):
    """The published ones; optimizer, schedule and patience are never the neutral ones by chance."""
    own = asdict(settings_of(getattr(recipes, name)))
    kinds = ("optimizer", "patience")
    stated = [
        {key: value for key, value in load_config(path).items() if key in own}
        for path in (CONFIGS / name).glob("*.toml")
    ]
    told = [{**asdict(Settings()), **one} for one in stated]
    assert any(
        all(own[key] == one[key] for key in kinds) and own["lr"] in {t["lr"] for t in told}
        for one in told
    ), json.dumps(own)
