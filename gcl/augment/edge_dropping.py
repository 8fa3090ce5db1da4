"""Random removal of edges, uniform or by importance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.augment.checks import attribute_name, probability
from gcl.augment.describe import describe
from gcl.augment.pairing import edge_pairs
from gcl.augment.rates import adaptive_rates, importance
from gcl.augment.selection import (
    edge_stores,
    ends,
    fix_num_nodes,
    graphs,
    set_edge_weight,
    take_edges,
)
from gcl.typing import Graph


class EdgeDropping(BaseTransform):
    """Drops every edge with probability p (GRACE, Zhu et al. 2020), or by importance (GCA).

    With `weight`, edge e drops with probability `clip(p * w_e, 0, p_max)`,
    `w_e = (max(phi) - phi_e) / (max(phi) - mean(phi))`, where phi is the named attribute and
    maximum and mean are those of the graph that e lies in. All phi equal: w_e = 1.

    Args:
        p: probability to drop an edge, in [0, 1].
        weight: name of an edge attribute, finite, higher = dropped less; None: all alike.
        p_max: largest probability under `weight`, in [0, 1].
        undirected: where a graph holds both directions of every edge, the two share one coin
            (with the mean of their probabilities); in `HeteroData` also the two edges in a type and
            in its reverse type, which is found by itself. Directed edges have a coin each. False:
            every direction has its own coin, as in the code of the papers.
        as_weight: keep `edge_index` and set `edge_weight` of dropped edges to 0 (ones are added
            where there is none). The same view for every encoder that honours `edge_weight`,
            several times faster, and what was sorted for this edge list stays valid. Edges of
            weight 0 still count for encoders that ignore weights.

    Shape:
        edge_index `[2, e]` -> `[2, e']`, every edge attribute `[e, ...]` -> `[e', ...]`.

    Raises:
        ValueError: p or p_max outside [0, 1]; no edge_index; the weight attribute is missing, has
            the wrong length or is not finite.

    Reference:
        Zhu et al., Deep Graph Contrastive Representation Learning, 2020; Zhu et al., Graph
        Contrastive Learning with Adaptive Augmentation, WWW 2021. Both drop the two directions of
        an undirected edge apart, which leaves a directed graph: `undirected=False`.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> EdgeDropping(p=1.0)(data)
        Data(edge_index=[2, 0], num_nodes=2)
        >>> EdgeDropping(p=1.0, as_weight=True)(data).edge_weight
        tensor([0., 0.])
    """

    def __init__(
        self,
        p: float,
        weight: str | None = None,
        p_max: float = 0.7,
        undirected: bool = True,
        as_weight: bool = False,
    ):
        self.p = probability("EdgeDropping", "p", p)
        self.weight = attribute_name("EdgeDropping", weight)
        self.p_max = probability("EdgeDropping", "p_max", p_max)
        self.undirected = undirected
        self.as_weight = as_weight

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        stores = edge_stores("EdgeDropping", data)
        fix_num_nodes(data)
        for store, reverse, match in edge_pairs(data, stores, self.undirected):
            size, device = store.edge_index.size(1), store.edge_index.device
            rates = self._rates(data, store)
            if match is not None and isinstance(rates, Tensor):
                rates = (rates + self._rates(data, reverse)[match]) / 2
            dropped = torch.rand(size, device=device) < rates
            if reverse is store and match is not None:
                # The rates of the two directions are equal: the earlier one decides for both.
                first = torch.minimum(torch.arange(size, device=device), match)
                dropped = dropped.index_select(0, first)
            self._drop(data, store, dropped)
            if match is not None and reverse is not store:
                self._drop(data, reverse, torch.empty_like(dropped).scatter_(0, match, dropped))
        return data

    def _rates(self, data: Graph, store: Any) -> Any:
        if self.weight is None:
            return self.p
        edges = store.edge_index.size(1)
        phi = importance("EdgeDropping", store, self.weight, "edge", {edges})
        graph, num_graphs = graphs(data, ends(data, store)[0])
        group = graph[store.edge_index[0]] if num_graphs > 1 else None
        return adaptive_rates(phi, self.p, self.p_max, group, num_graphs)

    def _drop(self, data: Graph, store: Any, dropped: Tensor) -> None:
        if not self.as_weight:
            take_edges(data, store, (~dropped).nonzero().view(-1))
            return
        if "edge_weight" in store:
            weight = store.edge_weight
        else:
            x = ends(data, store)[0].get("x")
            floating = isinstance(x, Tensor) and x.is_floating_point()
            dtype = x.dtype if floating else torch.get_default_dtype()
            weight = torch.ones(dropped.numel(), dtype=dtype, device=dropped.device)
        if weight.size(0) != dropped.numel():
            raise ValueError(
                f"EdgeDropping: edge_weight must have one row per edge ({dropped.numel()}), "
                f"got {weight.size(0)}."
            )
        shape = (-1,) + (1,) * (weight.dim() - 1)
        set_edge_weight(data, store, weight * (~dropped).view(shape))

    def __repr__(self) -> str:
        return describe(self)
