"""The comparison on heterogeneous graphs, on a graph of a size for tests."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import gcl
from gcl.cli import main
from gcl.evaluate import HETERO_PROTOCOLS
from gcl.experiments import results
from gcl.experiments.run import Run

ROOT = Path(__file__).parents[2]


def small(n=300):
    """hetero_sbm with meta-paths of its own and the three public splits."""
    data = gcl.datasets.hetero_sbm(n, num_authors=n, num_subjects=9, subjects=1.5, noise=2.0)
    data.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    part = torch.randint(3, (n,), generator=torch.Generator().manual_seed(0))
    for few in (20, 40, 60):
        for number, name in enumerate(("train", "val", "test")):
            data["paper"][f"{name}_mask_{few}"] = part == number
    return data


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.delitem(sys.modules, "heterogeneous", raising=False)
    module = importlib.import_module("heterogeneous")
    monkeypatch.setattr(module, "load_data", lambda run: small(90))
    for name, full in HETERO_PROTOCOLS.items():
        monkeypatch.setitem(HETERO_PROTOCOLS, name, replace(full, epochs=8))
    options = {
        "meow": {"hidden": 8, "clusters": (4, 9)},
        "adameow": {"hidden": 8, "proj": 8},
        "heco": {"hidden": 8, "samples": 3},
    }
    run = {
        name: Run(name, "sbm", protocol="hetero-20", epochs=2, patience=2, method=method)
        for name, method in options.items()
    }
    real = module.variants
    monkeypatch.setattr(module, "read_config", lambda path: (run[path.parent.name], {}))
    monkeypatch.setattr(module, "variants", lambda dataset, ablation: real("acm", ablation))
    return module


def test_every_variant_is_trained_measured_and_not_run_again(script, tmp_path, capsys):
    out = tmp_path / "out.csv"
    script.main(["sbm", "--seeds", "2", "--ablation", "--out", str(out)])
    text = capsys.readouterr().out
    rows = results.read_rows(out)
    names = {row["variant"] for row in rows}
    assert {*script.ABLATIONS, "meow", "heco", "adameow", "adameow, weights as published"} < names
    assert {"raw features", "meow, untrained", "heco, untrained"} < names
    for name in ("meow", "meow, row form", "heco, untrained"):
        mine = [row for row in rows if row["variant"] == name]
        assert len(mine) == 2
        assert mine[0]["macro_f1_20"] != mine[1]["macro_f1_20"]
        assert name in text
    weighed = next(row for row in rows if row["variant"] == "adameow")
    assert float(weighed["weight_mean"]) == pytest.approx(1.0, abs=1e-4)
    before = out.read_bytes()
    script.main(["sbm", "--seeds", "2", "--ablation", "--out", str(out)])
    assert out.read_bytes() == before


def test_the_command_line_takes_heterogeneous_graphs(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    command = ["train", "meow", "test_heterogeneous:small", "--protocol", "hetero-40"]
    command += ["--hidden", "8", "--clusters", "[4, 9]", "--epochs", "30", "--patience", "3"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "meow" in capsys.readouterr().out
    rows = results.read_rows(tmp_path / "run" / "results.csv")
    assert {row["features"] for row in rows} == {"raw features", "propagated", "untrained", "meow"}
    for row in rows:
        assert row["accuracy"] == row["micro_f1"]
        assert 0 < float(row["auc"]) <= 1
    log = (tmp_path / "run" / "seed-0" / "log.csv").read_text().splitlines()
    assert len(log) < 30  # it stopped early


def test_metapaths_as_edge_types_on_the_command_line(capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    data = small()
    there = next(list(name) for name in data.edge_types if name[0] == "paper")
    back = next(list(name) for name in data.edge_types if name[2] == "paper")
    command = ["train", "heco", "test_heterogeneous:small", "--hidden", "8", "--epochs", "1"]
    command += ["--protocol", "hetero-20", "--paths.metapaths", json.dumps([[there, back]])]
    assert main(command) == 0
    assert "heco" in capsys.readouterr().out


def test_a_protocol_for_other_graphs_is_refused(capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    command = ["train", "meow", "test_heterogeneous:small", "--protocol", "random-10-10-80"]
    assert main(command) == 2
    assert (
        "is a heterogeneous graph, which protocol 'random-10-10-80' is not for"
        in capsys.readouterr().err
    )
    assert main(["train", "grace", "karate", "--protocol", "hetero-20"]) == 2
    assert "is one graph, which protocol 'hetero-20' is not for" in capsys.readouterr().err
