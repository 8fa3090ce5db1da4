"""Figures of a finished run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Batch

from gcl import methods
from gcl.datasets.inert_arrays import read_array
from gcl.experiments.folder import read_run
from gcl.experiments.results import read_rows
from gcl.experiments.run import Run, load_data
from gcl.plot import embedding, loss_curve, similarities
from gcl.training.state import read_checkpoint


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
    views = _two_views(run, data, home)
    if views is not None:
        figures["similarity"] = similarities(*views, title=title)
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=150)
    return files


@torch.no_grad()
def _two_views(run: Run, data: Any, home: Path) -> tuple[Tensor, Tensor] | None:
    """Embeddings of the two views by the trained method; None where it is no two-view method."""
    with torch.random.fork_rng():
        method = run.build(data)
        inner = method.method if isinstance(method, methods.POT) else method
        if not isinstance(inner, methods.TwoView):
            return None
        method.load_state_dict(read_checkpoint(home / "checkpoint.safetensors")["method"])
        method.eval()
        torch.manual_seed(0)
        whole = Batch.from_data_list(list(data)) if method.graph_level else data
        prepared = method.prepare(whole)
        first, second = (method.embed(view(copy.copy(prepared))) for view in inner.views)
    return first, second
