"""How similar what belongs together is, against any two nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gcl.experiments.views import two_views
from gcl.ops.similarity import unit_rows
from gcl.report.finished import Finished

PAIRS = 20_000
BINS = 60


@dataclass(frozen=True)
class Similarities:
    """Histograms of cosine similarities over the same bins.

    Args:
        edges: of the bins `[BINS + 1]`.
        counts: by what the pairs are, densities `[BINS]`.
        means: by what the pairs are.
        note: what could not be compared, and why; empty if nothing.
    """

    edges: Sequence[float]
    counts: dict[str, Sequence[float]]
    means: dict[str, float]
    note: str = ""


def similarities(found: Finished, *, seed: int = 0) -> Similarities | None:
    """Positives and negatives: of a two-view method its two views, of any other the edges.

    Where there is neither, only pairs of different nodes are left.

    Args:
        found: a run that has ended.
        seed: of the pairs.

    Returns:
        None where there is one node only.
    """
    note = ""
    u = v = unit_rows(found.z)
    linked = None
    if found.data is None:
        note = f"Positives are not shown, since the data set is not at hand: {found.absent}"
    else:
        try:
            views = two_views(found.run, found.data, found.home)
        except Exception as error:  # any damage of a checkpoint, any fault of a view of one's own
            views = None
            said = " ".join(str(error).split())[:300].rstrip(".")
            note = f"The two views cannot be made again ({said})."
        if views is not None:
            u, v = (unit_rows(one.detach().cpu().float()) for one in views)
        else:
            linked = _linked(found.data, len(found.z))
    if len(u) < 2 or len(u) != len(v):
        return None
    rng = np.random.default_rng(seed)
    i, j = (torch.from_numpy(k) for k in rng.integers(0, len(u), size=(2, PAIRS)))
    values = {}
    if found.data is not None and linked is None and u is not v:
        values["the same node in two views"] = (u * v).sum(1)
    elif linked is not None:
        chosen = linked[:, torch.from_numpy(np.sort(rng.permutation(linked.shape[1])[:PAIRS]))]
        values["nodes with an edge between them"] = (u[chosen[0]] * u[chosen[1]]).sum(1)
    values["different nodes at random"] = (u[i[i != j]] * v[j[i != j]]).sum(1)
    low = min(float(one.min()) for one in values.values())
    edges = np.linspace(min(low, 1 - 1e-3), 1, BINS + 1)
    return Similarities(
        [round(float(e), 4) for e in edges],
        {name: _density(one, edges) for name, one in values.items()},
        {name: float(one.mean()) for name, one in values.items()},
        note,
    )


def _density(values: Tensor, edges: np.ndarray) -> list[float]:
    inside = np.clip(values.double().numpy(), edges[0], edges[-1])
    counts = np.histogram(inside, edges)[0]
    return [round(float(c), 4) for c in counts / counts.sum() / (edges[1] - edges[0])]


def _linked(data: object, rows: int) -> Tensor | None:
    """Edges between different nodes, of a graph whose every node is embedded."""
    if not isinstance(data, Data) or data.edge_index is None or data.num_nodes != rows:
        return None
    edges = data.edge_index.cpu()
    edges = edges[:, edges[0] != edges[1]]
    return edges if edges.shape[1] else None
