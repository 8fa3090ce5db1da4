"""Jensen-Shannon objective between pairs of nodes, and its hard-negative form."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from gcl.checks import check_choice, check_positive, check_real, check_views
from gcl.ops.hard_softplus import hard_softplus
from gcl.ops.similarity import BOUNDS, comparable, in_one_type, row_similarity
from gcl.ops.streaming import streaming_softplus
from gcl.ops.tiles import LN2
from gcl.ops.tracing import outside_graph


class JSD(nn.Module):
    r"""Jensen-Shannon estimate of mutual information over pairs of nodes, in O(N D) memory.

    With scores `T(a, b) = s(a, b) / tau`, for anchors of the first view

        E_pos = mean_i ( log 2 - softplus(-T(z1_i, z2_i)) )
        E_neg = mean_i mean_{j != i} r_ij ( softplus(T(z1_i, z2_j)) - log 2 )
        L = E_neg - E_pos

    and the mean of both directions. `form="bce"` is the binary cross-entropy of the same scores,
    half from positives and half from negatives: `L / 2 + log 2`.

    Hard negatives: `r_ij = exp(2 beta s_ij / S)`, scaled to mean 1 in every row, without gradient,
    where S is the largest squared length of a row (1 for the cosine): no abs(s_ij) is above it.

    Args:
        tau: temperature, > 0. The published scores are plain inner products: tau 1, "dot".
        form: "jsd" or "bce".
        similarity: "dot" or "cosine".
        intra: the other rows of the same view are negatives too.
        beta: hardness of the negatives. 0: all alike. Above 0 similar negatives weigh more, below
            0 less. Published grid: 0, 1, 2, 10.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, beta not finite, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Hjelm et al., "Learning Deep Representations by Mutual Information Estimation and
        Maximization", ICLR 2019; Sun et al., "InfoGraph", ICLR 2020; Robinson et al.,
        "Contrastive Learning with Hard Negative Samples", ICLR 2021 (hard form). Public code of
        the hard form has the opposite sign, so that similar negatives weigh less (beta < 0 here),
        divides by the largest abs(s_ij) of the batch, and counts the masked pairs as negatives with
        score 0.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(JSD()(z, z).item(), 4)  # log(1 + 1/e) - log 2
        -0.3799
    """

    def __init__(
        self,
        tau: float = 1.0,
        *,
        form: Literal["jsd", "bce"] = "jsd",
        similarity: Literal["dot", "cosine"] = "dot",
        intra: bool = False,
        beta: float = 0.0,
    ):
        super().__init__()
        check_positive("JSD", tau=tau)
        check_choice("JSD", "form", form, ("jsd", "bce"))
        check_choice("JSD", "similarity", similarity, ("dot", "cosine"))
        check_real("JSD", beta=beta)
        if not math.isfinite(beta):
            raise ValueError(f"JSD: beta must be a finite number, got {beta}.")
        self.tau, self.form, self.similarity = tau, form, similarity
        self.intra, self.beta = intra, beta

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("JSD", z1, z2)
        u, v = in_one_type(comparable(z1, self.similarity), comparable(z2, self.similarity))
        if len(u) < 2:
            if len(u) == 1:
                warnings.warn("JSD: one row has no negatives, so the loss is 0.", stacklevel=2)
            return 0 * (u.sum() + v.sum())
        with torch.autocast(z1.device.type, enabled=False):
            positive = softplus(-row_similarity(u, v, self.similarity) / self.tau).mean()
            forth = self._negatives(u, v)
            # Unweighted, the pairs of two views have the same sum from both sides.
            back = self._negatives(v, u) if self.intra or self.beta else forth
            both = positive + (forth + back).mean() / 2
        return both / 2 if self.form == "bce" else both - 2 * LN2

    def _negatives(self, q: Tensor, k: Tensor) -> Tensor:
        """Weighted mean of softplus over the negatives of every row of q."""
        others = (k, q) if self.intra else (k,)
        if self.beta == 0:
            sums = [
                streaming_softplus(q, other, scale=1 / self.tau, exclude=True) for other in others
            ]
            return torch.stack(sums).sum(0) / (len(others) * (len(q) - 1))
        largest = torch.stack([z.detach().square().sum(1).max() for z in (q, k)]).max()
        # Rows next to zero have no hardest negatives, and their inverse would be infinite.
        beta = 2 * self.beta / torch.where(largest > BOUNDS[largest.dtype][0], largest, 1.0)
        return hard_softplus(q, others, scale=1 / self.tau, beta=beta)

    def extra_repr(self) -> str:
        return f"tau={self.tau:g}, form={self.form!r}, intra={self.intra}, beta={self.beta:g}"
