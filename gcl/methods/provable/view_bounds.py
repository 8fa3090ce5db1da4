"""The bounds of both directions of a two-view method: from budget to bound, a stage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from gcl.methods.provable.adjacency import adjacency_bounds
from gcl.methods.provable.budget import view_budget
from gcl.methods.provable.intervals import layer_intervals
from gcl.methods.provable.layers import gcn_layers
from gcl.methods.provable.node_bounds import Mode, node_bounds
from gcl.methods.provable.products import CleanProducts
from gcl.methods.provable.relaxation import relax
from gcl.methods.provable.targets import target_directions
from gcl.methods.provable.views import EncodedView
from gcl.methods.two_view import TwoView
from gcl.ops.propagation import gcn_adjacency


def two_view_compactness(
    method: TwoView,
    data: Any,
    views: Sequence[EncodedView],
    *,
    mode: Mode,
    feature_bounds: bool = False,
    detach_target: bool = False,
    detach_bounds: bool = False,
) -> list[Tensor]:
    """Bounds of the compactness of every node, of the first view and of the second.

    On a batch with seed nodes only theirs.

    Args:
        method: whose encoder and views are meant.
        data: the graph before augmentation.
        views: its two views as encoded.
        mode: see `POT`, like the rest.
    """
    if not isinstance(data, Data) or len(views) != 2:
        raise ValueError(
            f"node compactness compares two encoded views of one graph (Data), got {len(views)} "
            f"of a {type(data).__name__}."
        )
    layers = gcn_layers(method.encoder)
    n, dtype = data.x.shape[0], layers[0].weight.dtype
    seeds = data.batch_size if "input_id" in data else n
    weight = data.get("edge_weight")
    published = mode in ("pot", "legacy")  # intervals as in the paper
    products = CleanProducts(
        layers if published else layers[:1], gcn_adjacency(data.edge_index, weight, n, dtype)
    )
    relaxed = -1 if mode == "certified" else -2  # from here on, lines stand in for activations
    constant = torch.no_grad if detach_bounds else nullcontext
    found = []
    for view, other, transform in zip(views, reversed(views), method.views, strict=True):
        if view.x.shape[0] != n:
            raise ValueError(f"a view has {view.x.shape[0]} nodes, its graph {n}; keep them all.")
        x = data.x if feature_bounds else view.x
        budget = view_budget(transform, data, masks=feature_bounds)
        adjacency = adjacency_bounds(
            data.edge_index, weight, n, budget.edges, symmetric=budget.symmetric, dtype=dtype
        )
        # The score of "legacy" is itself made of x W, not only its intervals.
        with constant() if mode != "legacy" else nullcontext():
            clean = products.of(x)
        with constant():
            intervals = layer_intervals(layers, adjacency, x, clean, columns=budget.columns)
        lines = relax(layers[relaxed:], intervals.pre_activations[relaxed:])
        z = other.z[:seeds]
        targets = target_directions(z.detach() if detach_target else z)
        bound = node_bounds(
            mode,
            layers,
            lines,
            pad(targets, (0, 0, 0, n - seeds)),
            view=view,
            product=clean[0],
            intervals=intervals,
            adjacency=adjacency,
        )
        found.append(bound[:seeds])
    return found
