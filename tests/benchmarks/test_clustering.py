"""The comparison of PamC's negatives in one command, on a graph that needs no files."""

import runpy
from pathlib import Path

import pytest
import torch

from gcl.experiments.results import read_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
VARIANTS = [
    "propagated", "AE + k-means", "positives only", "pamc node", "pamc paper", "pamc pair",
    "pamc node, other clusters", "scgc, settings of pamc", "scgc, its own settings",
]  # fmt: skip


@pytest.fixture
def script(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = runpy.run_path(str(BENCHMARKS / "clustering.py"))
    small = 'dataset = "karate"\nclusters = 4\nhidden = [8]\npretrain_epochs = 3\nepochs = 3\n'
    small += "restarts = 2\n"
    for recipe, more in (
        ("pamc", "beta = 0.7\n[influence]\norder = 2\n"),
        ("scgc", "alpha = 3.0\n"),
    ):
        path = tmp_path / "configs" / recipe / "karate.toml"
        path.parent.mkdir(parents=True)
        path.write_text(f'recipe = "{recipe}"\n{small}{more}\n[reported]\naccuracy = 0.5\n')
    names["main"].__globals__["CONFIGS"] = tmp_path / "configs"
    return names


def test_variants_differ_in_what_their_name_says(script):
    linear, exact = (script["read_run"](recipe, "karate") for recipe in ("pamc", "scgc"))
    runs = script["variants"](linear, exact)
    assert list(runs) == VARIANTS[2:]
    for name, form in zip(VARIANTS[2:6], ("none", "node", "paper", "pair"), strict=True):
        assert runs[name].recipe == "pamc"
        assert runs[name].method == {**linear.method, "proxy": form}
    apart = {"proxy": "node", "within_cluster": False}
    assert runs[VARIANTS[6]].method == {**linear.method, **apart}
    assert runs[VARIANTS[7]].recipe == "scgc"
    shared = {k: v for k, v in linear.method.items() if k in exact.method}
    assert runs[VARIANTS[7]].method == shared
    assert runs[VARIANTS[8]] == exact


def test_table_and_file(script, tmp_path, capsys):
    out = tmp_path / "clustering.csv"
    script["main"](["karate", "--runs", "1", "--out", str(out)])
    shown = " ".join(capsys.readouterr().out.split())  # titles wrap
    assert all(name in shown for name in VARIANTS)
    assert "last of 3 epochs" in shown
    assert "one pre-trained auto-encoder" in shown
    assert "±" not in shown  # one run has no deviation
    assert "paper-max: best epoch of each metric by the labels" in shown
    first = read_rows(out)
    assert [row["variant"] for row in first] == VARIANTS
    for row in first[2:]:
        for metric in ("accuracy", "nmi", "ari", "macro_f1"):
            assert float(row[f"max_{metric}"]) >= float(row[metric])
        assert float(row["seconds"]) > 0
    script["main"](["karate", "--runs", "2", "--out", str(out)])
    assert "±" in capsys.readouterr().out
    rows = read_rows(out)
    assert rows[:9] == first  # not run again
    assert [(row["variant"], row["seed"]) for row in rows[9:]] == [(n, "1") for n in VARIANTS]


def test_some_rows_alone(script, tmp_path, capsys):
    out = tmp_path / "clustering.csv"
    chosen = ["pamc node", "positives only"]
    command = ["karate", "--runs", "1", "--out", str(out), "--variants"]
    script["main"]([*command, *chosen])
    assert [row["variant"] for row in read_rows(out)] == [*VARIANTS[:2], *chosen]
    with pytest.raises(SystemExit):
        script["main"]([*command, "pamc"])
    assert "no variant 'pamc'; there are positives only" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_from_the_same_auto_encoder(script, tmp_path):
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    script["main"](["karate", "--runs", "1", "--out", str(whole)])
    lines = whole.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:4]))
    script["main"](["karate", "--runs", "1", "--out", str(part)])
    measured = ("variant", "options", "seed", "accuracy", "nmi", "ari", "max_nmi")
    for a, b in zip(read_rows(whole), read_rows(part), strict=True):
        assert [a[key] for key in measured] == [b[key] for key in measured]


def test_clusters_are_seen_in_the_training_passes(script):
    import gcl
    from gcl.methods.recipes.pamc import pamc

    data = gcl.datasets.load("karate")
    torch.manual_seed(0)
    method = pamc(data, hidden=(8,), pretrain_epochs=1)
    watch, expected = script["WatchClusters"](method.clustering), []

    class Predict(gcl.callbacks.Callback):
        def on_epoch_end(self, state):
            expected.append(state.method.predict(state.data))

    gcl.fit(method, data, epochs=4, lr=0.05, callbacks=[Predict(), watch])
    assert len(watch.epochs) == 4
    assert all(torch.equal(a, b) for a, b in zip(watch.epochs, expected, strict=True))
