"""Features dealt out to other nodes."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_fraction
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.features import feature_stores, take_rows
from gcl.graphs.selection import graphs


class FeatureShuffling(BaseTransform):
    """Permutes the rows of x among randomly chosen nodes: the corruption of DGI.

    Every node takes part with probability p; the rows of those that do are permuted uniformly,
    within each graph of a batch and within each node type. Edges stay.

    Args:
        p: share of the nodes that take part, in [0, 1]; 1: all of them.

    Shape:
        x `[n, f]` -> `[n, f]`, dense or CSR (never made dense).

    Raises:
        ValueError: p outside [0, 1]; no x.
        TypeError: x neither dense nor CSR.

    Reference:
        Veličković et al., Deep Graph Infomax, ICLR 2019.

    Example:
        >>> from torch_geometric.data import Data
        >>> FeatureShuffling()(Data(x=torch.eye(3))).x.sum(0)
        tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 1.0):
        check_fraction("FeatureShuffling", p=p)
        self.p = float(p)

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        for store in feature_stores("FeatureShuffling", data):
            x = store.x
            graph, _ = graphs(data, store)
            chosen = (torch.rand(x.size(0), device=x.device) < self.p).nonzero().view(-1)
            dealt = chosen[torch.randperm(chosen.numel(), device=x.device)]
            # Both lists graph by graph: the k-th place of a graph gets the k-th row dealt in it.
            places = chosen[torch.argsort(graph[chosen], stable=True)]
            rows = dealt[torch.argsort(graph[dealt], stable=True)]
            index = torch.arange(x.size(0), device=x.device)
            index[places] = rows
            store.x = take_rows(x, index)
        return data

    def __repr__(self) -> str:
        return describe(self)
