"""Attention between views of the same nodes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gcl.checks import check_count
from gcl.nn.dropout import Dropout
from gcl.nn.type_projection import GAIN


class SemanticAttention(nn.Module):
    r"""A weighted mean of views, with one weight a view for all nodes.

        w_v = mean_i < dropout(q), tanh(W z_vi + b) >,   beta = softmax_v(w),
        z_i = sum_v beta_v z_vi

    Args:
        channels: width d of the views.
        dropout: rate on the vector q, in [0, 1).

    Shape:
        views: a list of `[n, d]` -> `[n, d]`.

    Reference:
        Wang et al., "Heterogeneous Graph Attention Network" (HAN), WWW 2019.

    Example:
        >>> SemanticAttention(4)([torch.randn(3, 4), torch.randn(3, 4)]).shape
        torch.Size([3, 4])
    """

    def __init__(self, channels: int, dropout: float = 0.0):
        super().__init__()
        check_count("SemanticAttention", channels=channels)
        self.linear, self.dropout = nn.Linear(channels, channels), Dropout(dropout)
        self.query = nn.Parameter(torch.empty(1, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_normal_(self.linear.weight, gain=GAIN)
        nn.init.zeros_(self.linear.bias)
        nn.init.xavier_normal_(self.query, gain=GAIN)

    def weights(self, views: Sequence[Tensor]) -> Tensor:
        """beta, `[number of views]`."""
        query = self.dropout(self.query[0])
        return torch.stack([self.linear(z).tanh().mean(0) @ query for z in views]).softmax(0)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        # Not torch.stack(views): that would copy them all.
        first, *others = [w * z for w, z in zip(self.weights(views), views, strict=True)]
        return sum(others, first)
