"""The comparison with and without POT in one command, on a graph that needs no files."""

import runpy
from pathlib import Path

import pytest

import gcl
from gcl.experiments.config import read_config
from gcl.experiments.results import read_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
VARIANTS = ["grace", "grace + POT, pot", "gca", "gca + POT, pot"]


@pytest.fixture
def script(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = runpy.run_path(str(BENCHMARKS / "pot.py"))
    for recipe in ("grace+pot", "gca+pot"):
        path = tmp_path / "configs" / recipe / "karate.toml"
        path.parent.mkdir(parents=True)
        path.write_text(
            f'recipe = "{recipe}"\ndataset = "karate"\nprotocol = "public"\n'
            "hidden = 4\nproj = 4\ntau = 0.5\nepochs = 9\nlr = 0.01\n\n[pot]\nkappa = 0.3\n"
            "\n[reported]\naccuracy = 0.5\n"
        )
    names["main"].__globals__.update(CONFIGS=tmp_path / "configs", STEPS=1)
    return names


def test_variants_differ_in_pot_alone(script):
    run = script["read_run"]("grace", "karate")
    runs = script["variants"]("grace", run, ["pot", "sound"])
    assert list(runs) == ["grace", "grace + POT, pot", "grace + POT, sound"]
    shared = {"hidden": 4, "proj": 4, "tau": 0.5}
    assert runs["grace"].recipe == "grace"
    assert runs["grace"].method.items() >= shared.items()
    data = gcl.datasets.load("karate")
    wrapped = runs["grace + POT, pot"].build(data)
    assert repr(wrapped.method) == repr(runs["grace"].build(data))
    for mode in ("pot", "sound"):
        variant = runs[f"grace + POT, {mode}"]
        assert variant.recipe == "grace+pot"
        told = dict(variant.method)
        assert told.pop("pot").items() >= {"kappa": 0.3, "mode": mode}.items()
        assert told == runs["grace"].method
    assert {(r.epochs, r.lr, r.protocol) for r in runs.values()} == {(9, 0.01, "public")}


@pytest.mark.parametrize("method", ["grace", "gca"])
@pytest.mark.parametrize("dataset", ["cora", "citeseer", "pubmed"])
def test_configurations_fit_their_recipes(method, dataset):
    run, _ = read_config(BENCHMARKS / "configs" / f"{method}+pot" / f"{dataset}.toml")
    assert (run.recipe, run.dataset) == (f"{method}+pot", dataset)
    data = gcl.datasets.load("karate")
    assert f"kappa={run.method['pot']['kappa']}" in repr(run.build(data))


def test_table_and_file(script, tmp_path, capsys):
    out = tmp_path / "pot.csv"
    command = ["karate", "--epochs", "2", "--protocol", "random-10-10-80", "--out", str(out)]
    script["main"]([*command, "--seeds", "1"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in VARIANTS)
    assert "protocol random-10-10-80; training seeds: 1" in shown
    first = read_rows(out)
    assert [row["variant"] for row in first] == VARIANTS
    assert all(float(row["wall_ms"]) > 0 for row in first)
    script["main"]([*command, "--seeds", "2"])
    rows = read_rows(out)
    assert rows[:4] == first  # not run again
    assert [(row["variant"], row["seed"]) for row in rows[4:]] == [(n, "1") for n in VARIANTS]


def test_the_gain_is_that_of_pairs(script):
    rows = [
        {"features": name, "seed": seed, "accuracy": value}
        for name, values in {"a": [0.5, 0.7, 0.6], "b": [0.6, 0.7, 0.8]}.items()
        for seed, value in enumerate(values)
    ]
    mean, error = script["gain"](rows, "b", "a")
    assert mean == pytest.approx(0.1)
    assert error == pytest.approx(0.1 / 3**0.5)
