"""Figures of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from gcl.datasets.inert_arrays import read_array
from gcl.experiments.folder import read_run
from gcl.experiments.results import read_rows
from gcl.experiments.run import load_data
from gcl.experiments.views import two_views
from gcl.plot import embedding, loss_curve, similarities


def plot_run(
    folder: Path, *, seed: int = 0, projection: Literal["tsne", "pca"] = "tsne"
) -> list[Path]:
    """Write loss.png, embedding.png and similarity.png for a run of `gcl train --out`.

    Args:
        folder: the folder of the run.
        seed: which of its seeds.
        projection: "tsne" or "pca".

    Raises:
        ValueError: no such run, or the seed has not finished.
    """
    run = read_run(folder).run
    home = folder / f"seed-{seed}"
    if not (home / "embedding.npy").is_file():
        raise ValueError(f"{home} has no finished training; run gcl train --out {folder} first.")
    data = load_data(run)
    title = f"{run.recipe} on {run.dataset}"
    log = read_rows(home / "log.csv")
    try:
        z = torch.from_numpy(read_array(home / "embedding.npy"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{home / 'embedding.npy'} is damaged: {error}") from None
    figures = {
        "loss": loss_curve(
            [int(row["epoch"]) for row in log], [float(row["loss"]) for row in log], title=title
        ),
        "embedding": embedding(z, data.y, projection=projection, title=title),
    }
    views = two_views(run, data, home)
    if views is not None:
        figures["similarity"] = similarities(*views, title=title)
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=150)
    return files
