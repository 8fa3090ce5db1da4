"""Random zeroing of feature columns, uniform or by importance."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.augment.rates import importance, mask_columns
from gcl.checks import check_attribute_name, check_fraction
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.features import feature_stores, zero_columns
from gcl.graphs.selection import graphs


class FeatureMasking(BaseTransform):
    """Zeroes every column of x, for all nodes, with probability p (GRACE), or by importance (GCA).

    With `weight`, column f is zeroed with probability `clip(p * w_f, 0, p_max)`,
    `w_f = (max(phi) - phi_f) / (max(phi) - mean(phi))`, phi the named attribute. All phi equal:
    w_f = 1. In `HeteroData` the columns of every node type are drawn; types without x are left
    alone. In a `Batch` one draw holds for all graphs; with `weight`, where every graph brings its
    own phi, every graph has its own rates and draw.

    Args:
        p: probability to zero a column, in [0, 1].
        weight: name of an attribute of the data (of each node type) with one number per column,
            finite, higher = zeroed less; None: all alike.
        p_max: largest probability under `weight`, in [0, 1].

    Shape:
        x `[n, f]` -> `[n, f]`; dense, or CSR whose index tensors stay the same.

    Raises:
        ValueError: p or p_max outside [0, 1]; no x; the weight attribute is missing, has the wrong
            length or is not finite.
        TypeError: x neither dense nor CSR.

    Reference:
        Zhu et al., Deep Graph Contrastive Representation Learning, 2020; Zhu et al., Graph
        Contrastive Learning with Adaptive Augmentation, WWW 2021.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.ones(2, 3), feature_importance=torch.tensor([0.0, 1.0, 1.0]))
        >>> FeatureMasking(p=0.4, weight="feature_importance", p_max=1.0)(data).x
        tensor([[0., 1., 1.],
                [0., 1., 1.]])
    """

    def __init__(self, p: float, weight: str | None = None, p_max: float = 0.7):
        check_fraction("FeatureMasking", p=p, p_max=p_max)
        check_attribute_name("FeatureMasking", weight)
        self.p, self.weight, self.p_max = float(p), weight, float(p_max)

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        for store in feature_stores("FeatureMasking", data):
            x = store.x
            columns = x.size(-1)
            if self.weight is None:
                store.x = zero_columns(x, torch.rand(columns, device=x.device) < self.p)
                continue
            # One number a column, or, collated from the graphs of a batch, one row of them a graph.
            graph, count = graphs(data, store)
            lengths = {columns, columns * count}
            phi = importance("FeatureMasking", store, self.weight, "column", lengths)
            phi = phi.to(x.device).view(phi.numel() // max(columns, 1), columns)
            store.x = mask_columns(x, phi, graph, self.p, self.p_max)
        return data

    def __repr__(self) -> str:
        return describe(self)
