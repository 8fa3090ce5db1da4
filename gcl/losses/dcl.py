"""Decoupled contrastive learning: the positive pair leaves the denominator."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gcl.checks import check_positive
from gcl.losses.softmax import Negatives, Rule, SoftmaxLoss, Temperature
from gcl.ops.similarity import Similarity


class DCL(SoftmaxLoss):
    r"""Decoupled InfoNCE: negatives alone in the denominator.

        L_i = - l(z1_i, z2_i)
              + log( sum_{j != i} exp l(z1_i, z2_j) + sum_{j != i} exp l(z1_i, z1_j) )

    with `l = cos / tau`. The gradient no longer vanishes when the positive is easy or negatives are
    few. The value may be negative. With `AdaptiveTemperature` as tau this is MACL.

    Args:
        tau: temperature, > 0: a number, an `nn.Parameter`, or a module.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        similarity: "cosine", "dot", or "neg_sq_euclidean", `-||a - b||^2` of the rows as they are.
        negatives: which rows are negatives, e.g. `HardestNegatives(50)`; all others if None.
        log_weight: weights of the negatives, a `LogWeight` or a module that makes one.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]` -> scalar, or `[n]`.

    Rows without negatives are left out; if none is left the result is a zero that keeps the graph.

    Raises:
        ValueError: tau <= 0, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022. Their code masks by adding
        log(1e-45), which leaks at small tau; here pairs are left out.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(DCL(tau=0.4)(z, z).item(), 4)
        0.591
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        intra: bool = True,
        symmetric: bool = True,
        similarity: Similarity = "cosine",
        negatives: Negatives | None = None,
        log_weight: Rule | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(
            tau,
            intra=intra,
            symmetric=symmetric,
            similarity=similarity,
            negatives=negatives,
            log_weight=log_weight,
            reduction=reduction,
        )

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        return self._decouple(similarity / tau, negative)

    def _decouple(self, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        has = negative != -torch.inf
        return negative.masked_fill(~has, 0.0) - positive, has


class DCLW(DCL):
    r"""DCL with weighted positives: pairs that agree less weigh more.

        L_i = - w_i l(z1_i, z2_i) + LSE over negatives,
        w_i = 2 - n softmax_i( cos(z1_i, z2_i) / sigma ),  clamped to [0, 2], no gradient.

    With many nodes the softmax is nearly uniform and w stays near 1.

    Args:
        tau: temperature, > 0.
        sigma: sharpness of the weights, > 0.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        similarity: "cosine", "dot", or "neg_sq_euclidean", `-||a - b||^2` of the rows as they are.
        negatives: which rows are negatives, e.g. `HardestNegatives(50)`; all others if None.
        log_weight: weights of the negatives, a `LogWeight` or a module that makes one.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]` -> scalar, or `[n]`.

    Raises:
        ValueError: tau or sigma <= 0, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022. The clamp is ours: with very easy
        pairs the published weight is negative.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(DCLW(tau=0.4)(z, z).item(), 4)  # equal pairs: all weights 1
        0.591
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        sigma: float = 0.5,
        intra: bool = True,
        symmetric: bool = True,
        similarity: Similarity = "cosine",
        negatives: Negatives | None = None,
        log_weight: Rule | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(
            tau,
            intra=intra,
            symmetric=symmetric,
            similarity=similarity,
            negatives=negatives,
            log_weight=log_weight,
            reduction=reduction,
        )
        check_positive("DCLW", sigma=sigma)
        self.sigma = sigma

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        share = torch.softmax(similarity.detach() / self.sigma, 0)
        weight = (2 - len(similarity) * share).clamp(0, 2)
        return self._decouple(weight * similarity / tau, negative)
