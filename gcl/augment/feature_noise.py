"""Gaussian noise on features."""

from __future__ import annotations

import torch
from torch_geometric.transforms import BaseTransform

from gcl.augment.graph_rates import rates_of
from gcl.checks import as_rate, check_number
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.features import feature_stores, is_csr
from gcl.graphs.kinds import is_codes
from gcl.graphs.selection import graphs


class FeatureNoise(BaseTransform):
    """Adds N(mean, std^2) to the features of every node with probability p, or replaces them.

    Args:
        std: standard deviation, in the unit of x, >= 0.
        p: probability that a row gets noise, in [0, 1]; or the name of an attribute of the data
            with one such rate a graph, which a `Batch` stacks.
        mean: of the noise, in the unit of x.
        replace: the noise takes the place of the row: the node's attributes are masked, as in
            GraphCL with std = mean = 0.5, or zeroed with std = 0. Codes of
            categories (integers) become 0.

    Shape:
        x `[n, f]` -> `[n, f]`, dense.

    Raises:
        ValueError: std negative or not finite, mean not finite; p outside [0, 1]; no x.
        TypeError: x is sparse or not floating point.

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020; their code puts
        N(0.5, 0.25) in the place of a tenth of the rows: `FeatureNoise(0.5, 0.1, 0.5, True)`.

    Example:
        >>> from torch_geometric.data import Data
        >>> bool((FeatureNoise(std=0.1)(Data(x=torch.zeros(2, 3))).x != 0).all())
        True
        >>> FeatureNoise(std=0, replace=True)(Data(x=torch.ones(1, 3))).x
        tensor([[0., 0., 0.]])
    """

    def __init__(
        self,
        std: float = 0.1,
        p: float | str = 1.0,
        mean: float = 0.0,
        replace: bool = False,
    ):
        check_number("FeatureNoise", least=0, std=std)
        check_number("FeatureNoise", mean=mean)
        self.std, self.mean = float(std), float(mean)
        self.p = as_rate("FeatureNoise", "p", p)
        self.replace = replace

    def forward(self, data: Graph) -> Graph:
        if self.p == 0 or (self.std == 0 and self.mean == 0 and not self.replace):
            return data
        for store in feature_stores("FeatureNoise", data):
            x = store.x
            if is_csr(x):
                raise TypeError("FeatureNoise: noise is dense, got a CSR x; use x.to_dense().")
            if not x.is_floating_point() and not (self.replace and is_codes(x)):
                raise TypeError(
                    f"FeatureNoise: x must be floating point, got {x.dtype}; codes of categories "
                    "take no noise, but replace=True masks them."
                )
            noise = (
                torch.zeros_like(x) if is_codes(x) else torch.randn_like(x) * self.std + self.mean
            )
            p = rates_of("FeatureNoise", data, self.p, *graphs(data, store))
            quiet = torch.rand(x.size(0), device=x.device) >= p
            quiet = quiet.view((-1,) + (1,) * (x.dim() - 1))
            store.x = torch.where(quiet, x, noise if self.replace else x + noise)
        return data

    def __repr__(self) -> str:
        return describe(self)
