"""Embeddings that are kept: measured under another protocol without a second training."""

import pytest
import torch

import gcl
from gcl.checkpoint import CheckpointError, load, save
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.embeddings import Trained, read_trained
from tests.boards import shorten, write_configs

TRAINED = Trained(
    torch.zeros(3, 2),
    torch.arange(6.0).view(3, 2),
    {"seconds": 1.5, "peak_mb": 2.0, "trained_epochs": 4},
    0.25,
    "abc",
)


def test_what_is_written_is_read_again(tmp_path):
    TRAINED.write(tmp_path, "1-run", 3, "data")
    found = read_trained(tmp_path, "1-run", 3, "data")
    assert torch.equal(found.z, TRAINED.z)
    assert (found.cost, found.loss, found.commit) == (TRAINED.cost, 0.25, "abc")
    assert read_trained(tmp_path, "1-run", 4, "data") is None


def test_other_data_and_other_files_are_refused(tmp_path):
    TRAINED.write(tmp_path, "1-run", 3, "data")
    with pytest.raises(CheckpointError, match="of other data than now"):
        read_trained(tmp_path, "1-run", 3, "others")
    (path,) = tmp_path.iterdir()
    tree = load(path)
    del tree["z"]
    save(tree, path)
    with pytest.raises(CheckpointError, match="holds no training"):
        read_trained(tmp_path, "1-run", 3, "data")
    path.write_bytes(b"no safetensors")
    with pytest.raises(CheckpointError):
        read_trained(tmp_path, "1-run", 3, "data")


def test_a_second_protocol_trains_nothing_and_measures_the_same_training(tmp_path, monkeypatch):
    shorten(monkeypatch)
    configs, kept = write_configs(tmp_path / "configs"), tmp_path / "kept"
    command = ["bench", str(configs), "--only", "dgi/*", "--no-cluster", "--seeds", "1"]
    (configs / "dgi" / "karate.toml").write_text(
        'recipe = "dgi"\ndataset = "karate"\nhidden = 4\nepochs = 2\n'
    )

    def measured(protocol, *more):
        out = tmp_path / f"{len(more)}-{protocol}.csv"
        told = [*command, "--protocol", protocol, "--out", str(out), *more]
        assert main(told) == 0
        return {
            row["features"]: [row["accuracy"], row["macro_f1"]] for row in results.read_rows(out)
        }

    fresh = measured("e2")
    first = measured("random-10-10-80", "--embeddings", str(kept))
    assert len(list(kept.glob("*.safetensors"))) == 1
    monkeypatch.setattr(gcl.experiments.run, "fit", None)
    second = measured("e2", "--embeddings", str(kept))
    assert {k: second[k] for k in ("dgi", "untrained")} == {
        k: fresh[k] for k in ("dgi", "untrained")
    }
    assert first != second
