"""Rates that differ from graph to graph of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from gcl.contracts import Graph


def rates_of(
    owner: str, data: Graph, p: float | str, graph: Tensor | None, num_graphs: int
) -> float | Tensor:
    """A number as it is; of the name of a graph attribute the rate of each row's graph.

    Args:
        owner: who asks, for errors.
        data: the graph or batch that holds the attribute.
        p: a rate, or the name of an attribute with one rate a graph, in [0, 1].
        graph: the graph of every row, `[m]`; None where there is only one.
        num_graphs: how many graphs there are.

    Raises:
        ValueError: no such attribute, not one rate a graph, or a rate outside [0, 1].
    """
    if not isinstance(p, str):
        return p
    if p not in data:
        raise ValueError(
            f"{owner}: the data has no attribute {p!r}; store one rate a graph under this name, "
            "or give p as a number."
        )
    rates = torch.as_tensor(data[p], dtype=torch.float32).view(-1)
    if len(rates) != num_graphs:
        raise ValueError(
            f"{owner}: {p!r} must hold one rate for each of {num_graphs} graphs, got {len(rates)}."
        )
    if not bool(((rates >= 0) & (rates <= 1)).all()):
        raise ValueError(f"{owner}: {p!r} must hold rates in [0, 1], got {rates.tolist()[:5]}.")
    return float(rates[0]) if graph is None else rates.to(graph.device)[graph]
