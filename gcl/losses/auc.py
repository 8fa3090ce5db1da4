"""Ranking loss: the positive above each negative, an upper bound of 1 - AUC."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_positive, check_real, check_views
from gcl.ops.hard_softplus import hard_softplus
from gcl.ops.similarity import comparable, row_similarity
from gcl.ops.streaming import streaming_softplus
from gcl.ops.tracing import outside_graph


class PairwiseAUC(nn.Module):
    r"""Logistic loss of every (positive, negative) comparison of an anchor, in O(N D) memory.

        L = mean_i mean_{j != i} softplus( -(s(z1_i, z2_i) - s(z1_i, z2_j)) / tau )

    and the mean of both directions. Divided by log 2 it is an upper bound of 1 - AUC, the share of
    comparisons that a negative wins. There is no normaliser: anchors whose negatives are all far
    below their positive stop pulling.

    Args:
        tau: temperature, > 0; usual 0.1 to 0.5.
        similarity: "cosine" or "dot".
        intra: the other rows of the same view are negatives too.
        beta: hardness: the inner mean gets the weights `softmax_j(beta s_ij)`, without gradient;
            0 is the plain mean.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, beta not finite, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Gao and Zhou, "On the Consistency of AUC Pairwise Optimization", IJCAI 2015 (the logistic
        surrogate). The temperature and the hardness weights are ours.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(PairwiseAUC(0.2)(z, z).item(), 6)  # log(1 + exp(-1 / 0.2))
        0.006715
    """

    def __init__(
        self,
        tau: float = 0.2,
        *,
        similarity: Literal["cosine", "dot"] = "cosine",
        intra: bool = False,
        beta: float = 0.0,
    ):
        super().__init__()
        check_positive("PairwiseAUC", tau=tau)
        check_choice("PairwiseAUC", "similarity", similarity, ("cosine", "dot"))
        check_real("PairwiseAUC", beta=beta)
        if not math.isfinite(beta):
            raise ValueError(f"PairwiseAUC: beta must be a finite number, got {beta}.")
        self.tau, self.similarity, self.intra, self.beta = tau, similarity, intra, beta

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("PairwiseAUC", z1, z2)
        u, v = comparable(z1, self.similarity), comparable(z2, self.similarity)
        if len(u) < 2:
            if len(u) == 1:
                warnings.warn(
                    "PairwiseAUC: one row has no negatives, so the loss is 0.", stacklevel=2
                )
            return 0 * (u.sum() + v.sum())
        with torch.autocast(z1.device.type, enabled=False):
            # softplus((s_ij - s_ii) / tau): the positive is a bias of the row
            bias = -row_similarity(u, v, self.similarity) / self.tau
            return (self._anchors(u, v, bias) + self._anchors(v, u, bias)).mean() / 2

    def _anchors(self, q: Tensor, k: Tensor, bias: Tensor) -> Tensor:
        others = (k, q) if self.intra else (k,)
        scale = 1 / self.tau
        if self.beta:
            return hard_softplus(q, others, scale=scale, bias=bias, beta=self.beta)
        sums = [
            streaming_softplus(q, other, scale=scale, bias=bias, exclude=True) for other in others
        ]
        return torch.stack(sums).sum(0) / (len(others) * (len(q) - 1))

    def extra_repr(self) -> str:
        return f"tau={self.tau:g}, intra={self.intra}, beta={self.beta:g}"
