"""Random removal of edges, uniform or by importance."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.augment.dropping import drop_edges, graph_of_edges
from gcl.augment.graph_rates import rates_of
from gcl.augment.rates import adaptive_rates, importance
from gcl.checks import as_rate, check_attribute_name, check_fraction
from gcl.contracts import Graph
from gcl.describe import describe


class EdgeDropping(BaseTransform):
    """Drops every edge with probability p (GRACE, Zhu et al. 2020), or by importance (GCA).

    With `weight`, edge e drops with probability `clip(p * w_e, 0, p_max)`,
    `w_e = (max(phi) - phi_e) / (max(phi) - mean(phi))`, where phi is the named attribute and
    maximum and mean are those of the graph that e lies in. All phi equal: w_e = 1.

    Args:
        p: probability to drop an edge, in [0, 1]; or the name of an attribute of the data with
            one such rate a graph, which a `Batch` stacks.
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
        ValueError: p or p_max outside [0, 1], or rates that are not one a graph; no edge_index;
            the weight attribute is missing, has the wrong length or is not finite.

    Reference:
        Zhu et al., Deep Graph Contrastive Representation Learning, 2020; Zhu et al., Graph
        Contrastive Learning with Adaptive Augmentation, WWW 2021. Both drop the two directions of
        an undirected edge apart, which leaves a directed graph: `undirected=False`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> EdgeDropping(p=1.0)(data)
        Data(edge_index=[2, 0], num_nodes=2)
        >>> EdgeDropping(p=1.0, as_weight=True)(data).edge_weight
        tensor([0., 0.])
    """

    def __init__(
        self,
        p: float | str,
        weight: str | None = None,
        p_max: float = 0.7,
        undirected: bool = True,
        as_weight: bool = False,
    ):
        self.p = as_rate("EdgeDropping", "p", p)
        check_attribute_name("EdgeDropping", weight)
        check_fraction("EdgeDropping", p_max=p_max)
        self.weight, self.p_max = weight, float(p_max)
        self.undirected = undirected
        self.as_weight = as_weight

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        return drop_edges(
            "EdgeDropping",
            data,
            lambda store: self.edge_rates(data, store),
            undirected=self.undirected,
            as_weight=self.as_weight,
        )

    def edge_rates(self, data: Graph, store: Any) -> Tensor | float:
        """The chance of every edge of a store to be dropped."""
        if self.weight is None and not isinstance(self.p, str):
            return self.p
        graph, num_graphs = graph_of_edges(data, store)
        p = rates_of("EdgeDropping", data, self.p, graph, num_graphs)
        if self.weight is None:
            return p
        edges = store.edge_index.size(1)
        phi = importance("EdgeDropping", store, self.weight, "edge", {edges})
        return adaptive_rates(phi, p, self.p_max, graph, num_graphs)

    def __repr__(self) -> str:
        return describe(self)
