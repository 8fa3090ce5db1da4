"""Random zeroing of single feature entries."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_fraction
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.features import feature_stores, is_csr, with_values


class FeatureDropout(BaseTransform):
    """Zeroes every entry of x with probability p, without rescaling the others.

    Unlike dropout in a network the kept entries are not divided by 1 - p: a view has features of
    the same scale as the graph that is embedded later.

    Args:
        p: probability to zero an entry, in [0, 1].

    Shape:
        x `[n, f]` -> `[n, f]`; dense, or CSR whose index tensors stay the same.

    Raises:
        ValueError: p outside [0, 1]; no x.
        TypeError: x neither dense nor CSR.

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020 (attribute masking).

    Example:
        >>> from torch_geometric.data import Data
        >>> FeatureDropout(p=1.0)(Data(x=torch.ones(1, 2))).x
        tensor([[0., 0.]])
    """

    def __init__(self, p: float):
        check_fraction("FeatureDropout", p=p)
        self.p = float(p)

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        for store in feature_stores("FeatureDropout", data):
            entries = store.x.values() if is_csr(store.x) else store.x
            drop = torch.rand(entries.shape, device=entries.device) < self.p
            entries = entries.masked_fill(drop, 0)
            store.x = with_values(store.x, entries) if is_csr(store.x) else entries
        return data

    def __repr__(self) -> str:
        return describe(self)
