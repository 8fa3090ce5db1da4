"""Figures of a finished run: which, and from which numbers."""

import numpy as np
import pytest
import torch

from gcl.experiments import figures
from gcl.experiments.figures import plot_run
from gcl.experiments.folder import Kept
from gcl.experiments.run import Run, load_data, train_seed


@pytest.fixture
def finished(tmp_path):
    def make(recipe="grace", **method):
        run = Run(recipe, "karate", epochs=2, method={"hidden": 4, **method})
        Kept(run, [0]).write(tmp_path / "run.json")
        train_seed(run, load_data(run), 0, tmp_path / "seed-0")
        return tmp_path

    return make


@pytest.fixture
def drawn(monkeypatch):
    """What the plots are given, by name."""
    seen = {}
    for name in ("loss_curve", "embedding", "similarities"):
        real = getattr(figures, name)

        def draw(*arguments, name=name, real=real, **options):
            seen[name] = (arguments, options)
            return real(*arguments, **options)

        monkeypatch.setattr(figures, name, draw)
    return seen


def test_a_two_view_method_has_three(finished, drawn):
    folder = finished("grace+pot", proj=4)
    state = torch.get_rng_state()
    files = plot_run(folder, projection="pca")
    assert torch.equal(torch.get_rng_state(), state)
    assert files == [folder / f"{name}.png" for name in ("loss", "embedding", "similarity")]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in files)
    (epochs, losses), options = drawn["loss_curve"]
    rows = np.genfromtxt(folder / "seed-0" / "log.csv", delimiter=",", names=True)
    assert (epochs, losses) == (rows["epoch"].tolist(), rows["loss"].tolist())
    assert options["title"] == "grace+pot on karate"
    z = drawn["embedding"][0][0]
    assert np.array_equal(z.numpy(), np.load(folder / "seed-0" / "embedding.npy"))


def test_views_that_change_nothing_are_the_embedding_twice(finished, drawn):
    plot_run(finished(drop_edge=(0, 0), mask_feature=(0, 0)), projection="pca")
    first, second = drawn["similarities"][0]
    assert torch.equal(first, second)
    assert torch.allclose(first, drawn["embedding"][0][0], atol=1e-6)  # of the trained weights


def test_another_method_has_two(finished, drawn):
    assert [path.stem for path in plot_run(finished("dgi"), projection="pca")] == [
        "loss",
        "embedding",
    ]
    assert "similarities" not in drawn


def test_what_is_not_there_is_named(finished, tmp_path):
    with pytest.raises(ValueError, match=r"holds no readable run\.json"):
        plot_run(tmp_path / "nowhere")
    folder = finished("dgi")
    with pytest.raises(ValueError, match="seed-1 has no finished training; run gcl train --out"):
        plot_run(folder, seed=1)
    (folder / "seed-0" / "embedding.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"embedding\.npy is damaged"):
        plot_run(folder)
