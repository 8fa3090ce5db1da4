"""How much of a graph a view may take away: the budgets of bounds over augmentations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch_geometric.transforms import Compose, NormalizeFeatures

from gcl.augment.communal_attribute_voting import (
    CommunalAttributeVoting,
    column_votes,
    log_votes,
)
from gcl.augment.communal_edge_dropping import CommunalEdgeDropping
from gcl.augment.edge_dropping import EdgeDropping
from gcl.augment.feature_dropout import FeatureDropout
from gcl.augment.feature_masking import FeatureMasking
from gcl.augment.feature_noise import FeatureNoise
from gcl.augment.feature_shuffling import FeatureShuffling
from gcl.augment.rates import adaptive_rates, importance
from gcl.graphs.selection import edge_stores, graphs
from gcl.ops.structure import structure
from gcl.transforms.normalize_rows import NormalizeRows
from gcl.transforms.to_sparse_features import ToSparseFeatures

_EDGES = (EdgeDropping, CommunalEdgeDropping)
_MASKS = (FeatureMasking, CommunalAttributeVoting)
_FEATURES = (
    FeatureDropout,
    FeatureNoise,
    FeatureShuffling,
    NormalizeFeatures,
    NormalizeRows,
    ToSparseFeatures,
)

EdgeDropper: TypeAlias = EdgeDropping | CommunalEdgeDropping


class Budget(NamedTuple):
    """What a view may take away: `edges` `[n]` of those that arrive at every node, `columns` of x.

    Where `symmetric`, the two directions of an edge go together.
    """

    edges: Tensor
    symmetric: bool
    columns: int


def view_budget(view: Any, data: Any, *, masks: bool = False) -> Budget:
    """The budget of a view on a graph.

    Args:
        view: see `edge_budget`, and with masks `mask_budget`.
        data: the graph, with the attributes that the view reads.
        masks: count columns of the features too; else none may go.

    Raises:
        TypeError: another transform.
        ValueError: the graph lacks an attribute.
    """
    edges, symmetric = edge_budget(view, data)
    return Budget(edges, symmetric, mask_budget(view, data) if masks else 0)


def check_view(view: Any, *, masks: bool = False) -> None:
    """Refuses views whose budget cannot be told.

    Args:
        view: a transform.
        masks: of the features only whole columns may be zeroed.

    Raises:
        TypeError: a part that adds edges, removes nodes, or is unknown.
    """
    for part in _parts(view):
        if isinstance(part, _EDGES + _MASKS) or (isinstance(part, _FEATURES) and not masks):
            continue
        known = ", ".join(t.__name__ for t in (_EDGES + _MASKS if masks else _EDGES))
        raise TypeError(
            f"a budget can be read from {known}"
            f"{'' if masks else ' and transforms of the features'}, and a Compose of them, got "
            f"{part!r} in a view."
        )


def edge_budget(view: Any, data: Any) -> tuple[Tensor, bool]:
    """How many of the edges that arrive at a node a view may drop, and whether in pairs.

        budget_i = min( max(d_i - 1, 0), round( sum over edges j -> i of their drop probability ) )

    with d_i the number of these edges without self-loops and edges of weight 0. A drawn view may
    drop more: the budget is the expected number.

    Args:
        view: `EdgeDropping`, `CommunalEdgeDropping`, or a `Compose` of them and of transforms of
            the features.
        data: the graph, with the attributes that the view reads.

    Shape:
        -> `[n]` int64, and True if the two directions of every edge are dropped together.

    Raises:
        TypeError: another transform.
        ValueError: the graph lacks an attribute.

    Example:
        >>> from torch_geometric.data import Data
        >>> ring = torch.arange(4)
        >>> ring = torch.stack([torch.cat([ring, ring.roll(1)]), torch.cat([ring.roll(1), ring])])
        >>> edge_budget(EdgeDropping(0.4), Data(edge_index=ring, num_nodes=4))
        (tensor([1, 1, 1, 1]), True)
    """
    check_view(view)
    (store,) = edge_stores("edge_budget", data)
    edge_index, n = store.edge_index, int(data.num_nodes)
    partner = structure(edge_index, n).partner
    keep = torch.ones(edge_index.shape[1], dtype=torch.float64, device=edge_index.device)
    symmetric = partner is not None
    for part in _parts(view):
        if not isinstance(part, _EDGES) or part.p == 0:
            continue
        rates = part.edge_rates(data, store)
        rates = rates.to(keep) if isinstance(rates, Tensor) else keep.new_full((), rates)
        rates = rates.expand_as(keep)
        symmetric = symmetric and part.undirected
        if part.undirected and partner is not None:
            rates = (rates + rates[partner]) / 2
        keep = keep * (1 - rates)
    real = edge_index[0] != edge_index[1]
    if store.get("edge_weight") is not None:
        real = real & (store.edge_weight.view(-1) != 0)
    target, drop = edge_index[1], torch.where(real, 1 - keep, 0.0)
    degree = target.new_zeros(n).index_add_(0, target, real.long())
    expected = _round(drop.new_zeros(n).index_add_(0, target, drop))
    return torch.minimum(expected, (degree - 1).clamp(min=0)), symmetric


def mask_budget(view: Any, data: Any) -> int:
    """How many columns of x a view may zero: the sum of their probabilities, rounded.

    In a batch, where every graph has its own draw, the largest of their sums.

    Args:
        view: `FeatureMasking`, `CommunalAttributeVoting`, or a `Compose` of them and of edge
            dropping.
        data: the graph, with the attributes that the view reads.

    Raises:
        TypeError: another transform.
        ValueError: the graph lacks an attribute.

    Example:
        >>> from torch_geometric.data import Data
        >>> mask_budget(FeatureMasking(0.3), Data(x=torch.ones(2, 20)))
        6
    """
    check_view(view, masks=True)
    columns = data.x.shape[1]
    keep = torch.ones(1, columns, dtype=torch.float64, device=data.x.device)
    for part in _parts(view):
        if isinstance(part, _MASKS) and part.p > 0:
            keep = keep * (1 - _mask_rates(part, data, columns))
    return int(_round((1 - keep).sum(1)).max())


def _parts(view: Any) -> Iterator[Any]:
    if isinstance(view, Compose):
        for part in view.transforms:
            yield from _parts(part)
    else:
        yield view


def _mask_rates(
    part: FeatureMasking | CommunalAttributeVoting, data: Any, columns: int
) -> Tensor | float:
    """Probability to zero each column, `[1 or graphs, columns]`."""
    (store,) = data.node_stores
    graph, count = graphs(data, store)
    if isinstance(part, FeatureMasking):
        if part.weight is None:
            return part.p
        lengths = {columns, columns * count}
        phi = importance("mask_budget", store, part.weight, "column", lengths).view(-1, columns)
        largest, tolerance = part.p_max, 0.0
    else:
        strength = importance(
            "mask_budget",
            store,
            "community_strength",
            "node",
            {data.x.shape[0]},
            source="gcl.transforms.AddCommunities",
        ).to(data.x.device)
        phi = log_votes(column_votes(data.x, strength, graph, count), dense=part.dense)
        largest, tolerance = part.threshold, 1e-9
    group = torch.arange(len(phi), device=phi.device).repeat_interleave(columns)
    rates = adaptive_rates(phi.flatten(), part.p, largest, group, len(phi), tolerance)
    return rates.view_as(phi).to(data.x.device)


def _round(expected: Tensor) -> Tensor:
    # Sums of equal rates are off by rounding, which must not decide over a half.
    return expected.round(decimals=9).round().long()
