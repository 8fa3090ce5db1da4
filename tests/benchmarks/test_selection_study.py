"""The study of criteria: its splits, its rows, and the page made of them."""

import importlib
from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr

import gcl
from gcl.experiments import results
from gcl.experiments.config import load_config
from gcl.experiments.criteria import CRITERIA
from gcl.experiments.grids import read_grid

ROOT = Path(__file__).parents[2]
GRID = """
dataset = "sbm"
[[try]]
recipe = "dgi"
hidden = 8
[try.grid]
epochs = [1, 3]
[[try]]
recipe = "benchmarks/selection/propagated.py:propagated"
epochs = 0
[try.grid]
hops = [1, 2]
"""


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(ROOT)
    script = importlib.import_module("selection_study")
    script._read.cache_clear()
    return script


def test_rows_are_kept_and_a_page_is_made_of_them(study, tmp_path, monkeypatch):
    folder, out = tmp_path / "grids", tmp_path / "rows.csv"
    folder.mkdir()
    (folder / "sbm.toml").write_text(GRID)
    data = gcl.datasets.sbm(240, 2, num_features=8)
    monkeypatch.setattr(study, "open_data", lambda run: data)
    monkeypatch.setattr("gcl.experiments.trials.open_data", lambda run: data)
    study.main(["--folder", str(folder), "--out", str(out)])
    rows = results.read_rows(out)
    assert [(row["epochs"], study.is_trained(row)) for row in rows] == [
        ("1", True), ("3", True), ("0", False), ("0", False),
    ]  # fmt: skip
    assert all(len(row["accuracies"].split()) == 20 for row in rows)
    study.main(["--folder", str(folder), "--out", str(out)])
    assert results.read_rows(out) == rows
    study.main(["--out", str(out), "--page", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    assert (tmp_path / "page.png").stat().st_size > 0
    assert all(f"| `{name}` |" in page for name in (*CRITERIA, *study.PAIRS))
    assert "propagated" in page


def row(accuracy, value, splits=(), recipe="dgi", graph="g", options="o"):
    test, val = splits or (str(accuracy), str(accuracy))
    return {
        "accuracy": str(accuracy), "modularity": str(value), "recipe": recipe, "epochs": "1",
        "accuracies": test, "val_accuracies": val, "dataset": graph, "options": options,
    }  # fmt: skip


def test_regret_and_correlation(study):
    accuracies, values = [0.7, 0.9, 0.8, 0.6], [0.1, 0.2, 0.4, 0.3]
    rows = [row(a, v) for a, v in zip(accuracies, values, strict=True)]
    correlation, regret, pick = study.compare(rows, "modularity")
    assert correlation == pytest.approx(spearmanr(accuracies, values).statistic)
    assert regret == pytest.approx(10.0)
    assert pick == "dgi, 1 epochs"
    assert study._any(rows) == pytest.approx(15.0)


def test_validation_picks_for_each_split(study):
    rows = [row(0.7, 0, ("0.8 0.6", "0.9 0.1")), row(0.6, 0, ("0.5 0.7", "0.2 0.8"))]
    assert study.by_validation(rows) == pytest.approx(100 * (0.7 - (0.8 + 0.7) / 2))


def test_the_criterion_for_a_graph_is_chosen_on_the_others(study):
    found = {
        "a": {"g": (0.0, 0.0, ""), "h": (0.0, 5.0, ""), "i": (0.0, 5.0, "")},
        "b": {"g": (0.0, 4.0, ""), "h": (0.0, 0.0, ""), "i": (0.0, 0.0, "")},
    }
    # g: a has 5 on the others, b 0; h and i: a has 2.5, b 2.
    assert study.left_out(found) == pytest.approx(4 / 3)


def test_propagated_features_are_those_of_the_formula(study):
    recipe = importlib.import_module("selection.propagated").propagated
    data = gcl.datasets.karate()
    dense = torch.eye(34, dtype=torch.double)
    dense[data.edge_index[1], data.edge_index[0]] = 1.0
    scale = dense.sum(1).rsqrt()
    s, x = scale[:, None] * dense * scale, data.x.double()
    x = x / x.abs().sum(1, keepdim=True)
    expected = 0.95 * (s @ x + s @ s @ x) / 2 + 0.05 * x
    z = gcl.embed(recipe(data, hops=2), data)
    assert float((z.double() - expected).abs().max()) < 1e-6


def test_the_grids_of_the_study():
    """Six graphs, at least 30 settings of at least four recipes each; every one can be built."""
    graphs = sorted((ROOT / "benchmarks" / "selection" / "study").glob("*.toml"))
    assert len(graphs) == 6
    for path in graphs:
        content = load_config(path)
        assert content["dataset"] == path.stem
        tries = read_grid(content)
        assert len({one.recipe for one in tries}) >= 5
        assert sum(len(list(one.settings())) for one in tries) >= 30
