"""The GCN that all views of a heterogeneous graph share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gcl.checks import check_choice, check_count
from gcl.nn.dropout import Dropout
from gcl.nn.prelu import PReLU
from gcl.ops.propagation import Adjacency, product


class MetaPathGCN(nn.Module):
    r"""Two GCN layers over one adjacency, or over the mean of several.

        U = PReLU( A dropout(H Theta_1) ),   V = A dropout(U Theta_2),   out = norm(V)

    No biases; Theta start uniform in +-1 / sqrt(d).

    Args:
        channels: width d.
        dropout: rate, in [0, 1).
        norm: "global" takes off the mean of all entries of V and divides by their deviation, as
            in MEOW, so every node depends on all; "layer" normalises each row, "batch" each
            column; None leaves V as it is.

    Shape:
        h `[n, d]`, adjacencies -> `[n, d]`.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples", SDM 2023.

    Example:
        >>> from gcl.nn import gcn_adjacency
        >>> a = gcn_adjacency(torch.tensor([[0, 1], [1, 0]]), None, 3, torch.float32)
        >>> MetaPathGCN(4)(torch.randn(3, 4), [a]).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        channels: int,
        dropout: float = 0.0,
        norm: Literal["global", "layer", "batch"] | None = "global",
    ):
        super().__init__()
        check_count("MetaPathGCN", channels=channels)
        if norm is not None:
            check_choice("MetaPathGCN", "norm", norm, ("global", "layer", "batch"))
        self.first = nn.Parameter(torch.empty(channels, channels))
        self.second = nn.Parameter(torch.empty(channels, channels))
        self.dropout, self.act = Dropout(dropout), PReLU()
        self.norm: nn.Module = {
            "global": GlobalNorm(),
            "layer": nn.LayerNorm(channels, elementwise_affine=False),
            "batch": nn.BatchNorm1d(channels, affine=False),
            None: nn.Identity(),
        }[norm]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in (self.first, self.second):
            bound = 1 / math.sqrt(weight.shape[0])
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, h: Tensor, adjacencies: Sequence[Adjacency]) -> Tensor:
        u = self.act(_mean_product(adjacencies, self.dropout(h @ self.first)))
        return self.norm(_mean_product(adjacencies, self.dropout(u @ self.second)))


class GlobalNorm(nn.Module):
    """`(v - mean) / sqrt(var + 1e-5)` with mean and variance over all entries of the matrix."""

    def forward(self, v: Tensor) -> Tensor:
        return nn.functional.layer_norm(v, v.shape)


def _mean_product(adjacencies: Sequence[Adjacency], x: Tensor) -> Tensor:
    total = product(adjacencies[0], x)
    for adjacency in adjacencies[1:]:
        total = total + product(adjacency, x)
    return total / len(adjacencies)
