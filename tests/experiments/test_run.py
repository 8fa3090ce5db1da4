"""The short name of what decides a run's numbers."""

import math
import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

import gcl
from gcl.experiments.composition import compose
from gcl.experiments.run import Run, load_data, measure, open_data, options_digest
from gcl.methods import recipes
from gcl.transforms import AddInfluence


def digest(recipe="grace", dataset="cora", **options):
    return options_digest(Run(recipe, dataset, **{"protocol": "random-10-10-80", **options}))


def test_it_names_what_differs_from_the_defaults():
    assert digest() == digest(root="x") == digest(device="cuda") == digest(dataset="Cora")
    full = compose("grace").defaults()
    assert digest(method=full) == digest() == digest(method={"drop_edge": [0.2, 0.4]})
    others = [
        digest(method={"tau": 0.3}),
        digest(patience=3),
        digest(probe_lr=0.1),
        digest(batch_size=64),
        digest(precision="bf16"),
        digest("grace+macl"),
        digest("grace+macl", method={"macl": {"alpha": 0.2}}),
        digest("gca"),
        digest(dataset="citeseer"),
        digest(protocol="public"),
    ]
    assert len({digest(), *others}) == 11


def flat(data, *, tau: float = 0.4, order: int = 1):
    """A recipe with a number of its own."""


def nested(data, *, tau: float = 0.4, influence: AddInfluence = AddInfluence()):  # noqa: B008
    """The same one inside an object."""


def test_it_does_not_depend_on_where_an_option_lives(monkeypatch):
    found = []
    for recipe, options in ((flat, {"order": 3}), (nested, {"influence": {"order": 3}})):
        monkeypatch.setattr(recipes, "moved", recipe, raising=False)
        monkeypatch.setattr(recipes, "__all__", [*recipes.__all__, "moved"])
        compose.cache_clear()
        found += [digest("moved", method=options), digest("moved")]
    compose.cache_clear()
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[0] != found[1]


def test_it_carries_the_version_of_the_draws(monkeypatch):
    before = digest()
    monkeypatch.setattr("gcl.experiments.run.DRAWS", 7)
    assert digest() == f"7-{before.partition('-')[2]}"


def test_stored_results_keep_their_names():
    # As in benchmarks/results: what is measured is not measured again.
    assert digest() == "1-700a18d5c0c4"


def test_options_that_came_later_do_not_rename_older_results():
    old = Run("grace", "cora", "random-10-10-80")
    new = replace(old, batch_size=64)
    assert options_digest(old) == "1-700a18d5c0c4"
    assert options_digest(new) != options_digest(old)


def test_options_of_one_name_in_several_objects_are_told_apart():
    changes = [
        {},
        {"paths": {"ties": "index"}},
        {"positives": {"ties": "index"}},
        {"paths": {"ties": "index"}, "positives": {"ties": "index"}},
        {"paths": {"seed": 9}},
        {"positives": {"seed": 9}},
    ]
    assert len({digest("heco", "acm", method=change) for change in changes}) == 6
    full = compose("heco").defaults()
    assert digest("heco", "acm", method=full) == digest("heco", "acm")


def relabelled(y):
    data = gcl.datasets.load("karate")
    data.y = y
    return data


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: relabelled(torch.rand(34)), r"numbers for labels.*; without y it trains, too"),
        (lambda: relabelled(torch.rand(34, 3)), r"numbers for labels.*--out DIR, and measure"),
        (lambda: relabelled(torch.ones(34, 1)), r"shape \[34, 1\]; give one number each: y\.view"),
        (lambda: relabelled(torch.tensor([0.0, 1.0, math.nan, 1.0] * 9)[:34]),
         r"NaN for 8 of 34 labels.*; write -1 there"),
    ],
)  # fmt: skip
def test_labels_that_are_not_measured_are_told_before_training(make, said, own_data):
    run = own_data(make)
    with pytest.raises(ValueError, match=rf"^{run.dataset} has .*{said}"):
        load_data(run)


def test_several_targets_a_node_are_measured_as_they_are(own_data):
    targets = (torch.arange(34 * 3).view(34, 3) % 5 < 2).float()
    targets[0, 0] = math.nan
    run = own_data(lambda: relabelled(targets))
    assert measure(run, torch.rand(34, 4), load_data(run), cluster=False)["accuracy"] > 0


def test_codes_of_categories_are_told(own_data):
    def make():
        data = gcl.datasets.load("karate")
        data.x = torch.ones(34, 3).long()
        return data

    run = own_data(make)
    with pytest.raises(TypeError, match=r"codes of categories .*else train in Python"):
        load_data(run)
    assert open_data(run, codes=True).x.dtype == torch.int64


@pytest.fixture
def own_data(monkeypatch):
    def made(make):
        module = ModuleType("own_graphs")
        module.graph = make
        monkeypatch.setitem(sys.modules, "own_graphs", module)
        return Run("dgi", "own_graphs:graph")

    return made
