"""Random removal of edges, those between strong communities first."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.augment.dropping import drop_edges, graph_of_edges
from gcl.augment.rates import adaptive_rates, importance
from gcl.checks import check_fraction
from gcl.contracts import Graph
from gcl.describe import describe


class CommunalEdgeDropping(BaseTransform):
    """Drops edges by the strength of the communities they lie in or between (CSGCL's CED).

    Edge e stays with probability

        k_e = clip( w_e / mean(w) * (1 - p), 1 - threshold, 1 ),
        w_e = (s_e - min(s)) / (max(s) - min(s))

    where s is `data.edge_strength` as `gcl.transforms.AddCommunities` writes it: the strength of
    the community that e lies in, or minus the sum of the two that it joins. Edges inside strong
    communities stay, edges between them go. Minimum, maximum and mean are those of the graph that
    e lies in. All s equal: w_e = 1 = mean(w), uniform dropping.

    Args:
        p: probability to drop an edge, in [0, 1]: what drops on average before clipping. 0 leaves
            the graph as it is, although the formula still thins weak edges as p nears 0.
        threshold: largest probability to drop an edge, in [0, 1].
        undirected: where a graph holds both directions of every edge, the two share one coin, see
            `EdgeDropping`. False: every direction has its own coin, as in the authors' code.
        as_weight: keep `edge_index` and set `edge_weight` of dropped edges to 0, see
            `EdgeDropping`.

    Shape:
        edge_index `[2, e]` -> `[2, e']`, every edge attribute `[e, ...]` -> `[e', ...]`.

    Raises:
        ValueError: p or threshold outside [0, 1]; no edge_index; `edge_strength` is missing, has
            the wrong length or is not finite.

    Reference:
        Chen et al., CSGCL: Community-Strength-Enhanced Graph Contrastive Learning, IJCAI 2023.
        Equal strengths are 0 / 0 in their code, which ends as dropping at `threshold`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> data.edge_strength = torch.tensor([0.1, 0.1, -0.3, -0.3])
        >>> CommunalEdgeDropping(p=0.5)(data).edge_index  # 0 - 1 stays, 1 - 2 never does
        tensor([[0, 1],
                [1, 0]])
    """

    def __init__(
        self, p: float, threshold: float = 1.0, undirected: bool = True, as_weight: bool = False
    ):
        check_fraction("CommunalEdgeDropping", p=p, threshold=threshold)
        self.p, self.threshold = float(p), float(threshold)
        self.undirected = undirected
        self.as_weight = as_weight

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        return drop_edges(
            "CommunalEdgeDropping",
            data,
            lambda store: self.edge_rates(data, store),
            undirected=self.undirected,
            as_weight=self.as_weight,
        )

    def edge_rates(self, data: Graph, store: Any) -> Tensor:
        """The chance of every edge of a store to be dropped."""
        strength = importance(
            "CommunalEdgeDropping",
            store,
            "edge_strength",
            "edge",
            {store.edge_index.size(1)},
            source="gcl.transforms.AddCommunities",
        )
        return communal_edge_rates(strength, self.p, self.threshold, *graph_of_edges(data, store))

    def __repr__(self) -> str:
        return describe(self)


def communal_edge_rates(
    strength: Tensor,
    p: float,
    threshold: float = 1.0,
    group: Tensor | None = None,
    num_groups: int = 1,
) -> Tensor:
    """Drop probabilities `1 - k_e` of edges, see `CommunalEdgeDropping`.

    Args:
        strength: of every edge, on any scale.
        p: mean drop probability.
        threshold: largest drop probability.
        group: the graph of every edge.
        num_groups: number of graphs.

    Shape:
        strength `[e]`, group `[e]` -> `[e]`, float64.

    Example:
        >>> import torch
        >>> communal_edge_rates(torch.tensor([0.0, 1.0, 2.0]), p=0.4, threshold=0.9)
        tensor([0.9000, 0.4000, 0.0000], dtype=torch.float64)
    """
    if strength.numel() == 0:
        return strength.double()
    # w_e / mean(w) = (min - s_e) / (min - mean(s)) are GCA's weights of -s.
    tolerance = 1e-6 * strength.abs().max().double()
    keep = adaptive_rates(-strength, 1 - p, 1.0, group, num_groups, tolerance)
    return 1 - keep.clamp(min=1 - threshold)
