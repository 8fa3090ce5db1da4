"""The short name of what decides a run's numbers."""

from dataclasses import replace

from gcl.experiments.composition import compose
from gcl.experiments.run import Run, options_digest
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
