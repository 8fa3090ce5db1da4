"""The script for a GPU, at a size for tests, on the CPU."""

import csv
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gcl

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "on_cuda.py"))
MAIN = SCRIPT["main"]
SMALL = [
    "--device", "cpu", "--nodes", "20", "300", "--dims", "8", "--graph-nodes", "50",
    "--graph-edges", "200", "--datasets", "karate",
]  # fmt: skip


def table(folder, name):
    with (folder / f"cuda-{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_measures_losses_layers_and_epochs(tmp_path, capsys):
    assert MAIN([*SMALL, "--recipes", "grace", "mvgrl", "pamc", "--out", str(tmp_path)]) == 0
    losses, layers, epochs = (table(tmp_path, name) for name in ("losses", "gcn", "epochs"))
    assert {row["N"] for row in losses} == {"20", "300"}
    assert {"InfoNCE", "InfoNCE, bf16"} <= {row["loss"] for row in losses}
    assert len(layers) == 4
    # PyG's layers stand where a GCN can be replaced.
    assert [(row["recipe"], row["layers"]) for row in epochs] == [
        ("grace", "gcl"), ("grace", "PyG"), ("mvgrl", "gcl"), ("mvgrl", "PyG"), ("pamc", "gcl"),
    ]  # fmt: skip
    for row in losses + layers + epochs:
        assert float(row["ms"]) > 0
        assert {"commit", "machine", "torch", "command"} <= set(row)
        assert row["device"] == "cpu"
    assert "tests: left out" in capsys.readouterr().out
    assert not (tmp_path / "cuda-tests.csv").exists()


def test_what_has_no_time_is_left_out_and_said(tmp_path, capsys):
    MAIN([*SMALL, "--minutes", "0", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "grace on karate (PyG) left out" in shown
    assert "InfoNCE on 300 rows left out" in shown
    assert not list(tmp_path.iterdir())


def test_scripts_hide_no_package_from_torch():
    """A script called cuda.py would be what torch imports from the folder of every script."""
    folder = Path(__file__).parents[2] / "benchmarks"
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import torch"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_recipe_for_one_graph_is_measured():
    others = {"adameow", "heco", "meow", "graphcl", "infograph", "mvgrl_graph", "simgrace"}
    assert {*SCRIPT["RECIPES"], *others} == set(gcl.methods.recipes.__all__)


def test_layers_of_pyg_compute_what_ours_do():
    data = gcl.datasets.load("karate")
    ours = gcl.nn.GCNEncoder(34, 8)
    theirs = SCRIPT["PyGLayers"](ours)
    for layer, weight, bias in zip(theirs.layers, ours.weights, ours.biases, strict=True):
        layer.lin.weight.data = weight.data.t()
        layer.bias.data = bias.data
    torch.testing.assert_close(
        theirs(data.x, data.edge_index), ours(data.x, data.edge_index), rtol=1e-4, atol=1e-5
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_device_it_says_what_to_do(capsys):
    with pytest.raises(SystemExit):
        MAIN([])
    assert "there is no CUDA device here; --device cpu" in capsys.readouterr().err
