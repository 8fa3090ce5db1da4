"""AdaMEOW's objective: a small network learns the weight of every negative."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_positive, check_views
from gcl.losses.infonce import InfoNCE
from gcl.losses.weights.pair_network import PairNetwork
from gcl.ops.similarity import unit_rows
from gcl.ops.tracing import outside_graph


class AdaptiveContrast(nn.Module):
    r"""Rows of z2 as anchors, rows of z1 as candidates, every pair with a learnt weight.

        L = mean_i ( log sum_j W_ij exp(cos(z2_i, z1_j) / tau) - cos(z2_i, z1_i) / tau ),
        W_ij = sigmoid( w2^T tanh( W1 (z2_i + z1_j) + b1 ) + b2 ),   rows of unit length

    As published (`normalize="none"`) the loss falls without end when all weights fall alike, and
    that is what training does first. By default the weights of a row over its other nodes have
    mean 1, see `PairNetwork`. `statistics` tells what the weights have become.

    Args:
        in_channels: width d of the rows.
        tau: temperature, > 0.
        hidden: hidden units of the network.
        normalize: "mean", "softmax" or "none".

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        TypeError, ValueError: arguments outside their range, views that do not fit.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples" (AdaMEOW), TKDE 2024.

    Example:
        >>> z = torch.randn(6, 8)
        >>> AdaptiveContrast(8)(z, z).shape
        torch.Size([])
    """

    def __init__(
        self,
        in_channels: int,
        tau: float = 1.0,
        *,
        hidden: int = 16,
        normalize: Literal["mean", "softmax", "none"] = "mean",
    ):
        super().__init__()
        check_positive("AdaptiveContrast", tau=tau)
        self.weights = PairNetwork(in_channels, hidden, normalize=normalize)
        self.contrast = InfoNCE(tau, intra=False, symmetric=False, log_weight=self.weights)

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("AdaptiveContrast", z1, z2)
        nodes = torch.arange(len(z1), device=z1.device)
        # Named as a pair, the positive is one of the weighed candidates, as published.
        return self.contrast(unit_rows(z2), unit_rows(z1), torch.stack([nodes, nodes]))

    @torch.no_grad()
    def statistics(
        self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], rows: int = 256
    ) -> dict[str, float]:
        """What the weights of the pairs i != j look like, on evenly spaced anchors.

        Returns:
            `weight_mean`, `weight_std`, and `weight_similarity`, the correlation of weight and
            cosine: negative where similar negatives are weighed down.
        """
        check_views("AdaptiveContrast", z1, z2)
        anchors, candidates = unit_rows(z2), unit_rows(z1)
        n = len(anchors)
        rule = self.weights(anchors, candidates)
        chosen = torch.linspace(0, n - 1, min(rows, n)).long().unique().tolist()
        weight = torch.cat([rule(slice(i, i + 1), slice(0, n)) for i in chosen]).exp()
        cosine = anchors[chosen] @ candidates.t()
        others = torch.ones_like(cosine, dtype=torch.bool)
        others[range(len(chosen)), chosen] = False
        weight, cosine = weight[others].double(), cosine[others].double()
        if len(weight) < 2:
            return {"weight_mean": 1.0, "weight_std": 0.0, "weight_similarity": 0.0}
        spread = weight.std() * cosine.std()
        together = ((weight - weight.mean()) * (cosine - cosine.mean())).sum() / (len(weight) - 1)
        return {
            "weight_mean": float(weight.mean()),
            "weight_std": float(weight.std()),
            "weight_similarity": float(together / spread) if spread > 0 else 0.0,
        }
