"""InfoNCE whose negatives weigh more the harder they are, corrected for false negatives."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from torch import Tensor

from gcl.checks import check_real
from gcl.losses.softmax import Negatives, SoftmaxLoss, Temperature
from gcl.ops.multi_view import log_add, sharing_kept_powers


class HardNegativeInfoNCE(SoftmaxLoss):
    r"""InfoNCE with hard negatives (HCL) and the debiased estimate of the negatives.

    With `e(a, b) = exp( cos(a, b) / tau )`, `e+ = e(z1_i, z2_i)` and the sums over the M negatives
    j of anchor i, which are the other rows of the other view and, with `intra`, of its own,

        w_ij  = e_ij^beta
        Neg_i = M ( sum_j w_ij e_ij / sum_j w_ij  -  tau_plus e+ ) / (1 - tau_plus)
        L_i   = - log( e+ / (e+ + max(Neg_i, M e^{-1/tau})) )

    `beta = 0` is the debiased loss, `tau_plus = 0` hardness alone, both together InfoNCE. The
    weighted mean is the difference of two log-sum-exps of `l = cos / tau`, so memory is O(N D):

        log( sum w e / sum w ) = LSE( (1 + beta) l ) - LSE( beta l )

    Args:
        tau: temperature, > 0: a number, an `nn.Parameter`, or a module.
        beta: how much harder negatives weigh, >= 0; 0.5 to 1 for nodes.
        tau_plus: share of the negatives that are of the anchor's own class, in [0, 1). Where it
            is above `mean e / e+` the estimate falls below what cosines allow: it is clamped, the
            negatives of that anchor get no gradient, and a warning says so (once) if that happens
            to more than half of the anchors. The more agreement and the smaller tau, the smaller
            tau_plus has to be: about 0.15 at tau = 0.4, 0.03 at tau = 0.2.
        detach_weights: no gradient through w.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        negatives: `MetaNodeNegatives`, which stands for the sum over all others; all others one by
            one if None.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]` -> scalar, or `[n]`.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, beta or tau_plus outside their range, unequal shapes, or negatives
            other than `MetaNodeNegatives`.
        TypeError: not floating-point input.

    Reference:
        Robinson et al., "Contrastive Learning with Hard Negative Samples", ICLR 2021; Chuang et
        al., "Debiased Contrastive Learning", NeurIPS 2020. Their tau_plus = 0.1 and tau = 0.5 are
        for images; against all nodes of a graph that clamps most anchors. As in their code,
        gradients pass through the weights unless `detach_weights`. A public graph library returns
        the negative of this loss.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(HardNegativeInfoNCE(tau=0.4, tau_plus=0.0)(z, z).item(), 4)  # all equally hard
        1.0317
        >>> round(HardNegativeInfoNCE(tau=0.4)(z, z).item(), 4)
        0.9562
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        beta: float = 1.0,
        tau_plus: float = 0.01,
        detach_weights: bool = False,
        intra: bool = True,
        symmetric: bool = True,
        negatives: Negatives | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(
            tau,
            intra=intra,
            symmetric=symmetric,
            negatives=negatives,
            reduction=reduction,
        )
        check_real("HardNegativeInfoNCE", beta=beta, tau_plus=tau_plus)
        if not 0 <= beta < math.inf:
            raise ValueError(
                f"HardNegativeInfoNCE: beta must be a number of at least 0, got {beta}."
            )
        if not 0 <= tau_plus < 1:
            raise ValueError(f"HardNegativeInfoNCE: tau_plus must lie in [0, 1), got {tau_plus}.")
        if negatives is not None and not getattr(negatives, "sums_all", False):
            raise ValueError(
                "HardNegativeInfoNCE: it weighs all other rows by their cosine; leave out "
                f"negatives other than MetaNodeNegatives, got {negatives!r}."
            )
        self.beta, self.tau_plus, self.detach_weights = beta, tau_plus, detach_weights
        self._warned = False

    def denominators(
        self, u: Tensor, v: Tensor, tau: Tensor | float, *, exclude: bool
    ) -> list[Tensor]:
        """`log( M sum_j w_ij e_ij / sum_j w_ij )`: the negatives before the correction."""
        if self.beta == 0 or len(u) < 2:
            return super().denominators(u, v, tau / (1 + self.beta), exclude=exclude)
        with sharing_kept_powers(1 if self.detach_weights else 2):
            return self._weighted(u, v, tau, exclude)

    def _weighted(self, u: Tensor, v: Tensor, tau: Tensor | float, exclude: bool) -> list[Tensor]:
        hard = super().denominators(u, v, tau / (1 + self.beta), exclude=exclude)
        if self.detach_weights:
            # With constant weights d log(sum w e) = sum_j softmax((1 + beta) l)_j dl_j, which is
            # the gradient of LSE((1 + beta) l) over 1 + beta.
            share = 1 / (1 + self.beta)
            hard = [share * lse + (1 - share) * lse.detach() for lse in hard]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach_weights):
            weights = super().denominators(u, v, tau / self.beta, exclude=exclude)
        return [a - b + self._log_count(len(u)) for a, b in zip(hard, weights, strict=True)]

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        positive = similarity / tau
        if self.tau_plus > 0 and len(similarity) > 1:
            negative = self._debias(positive, negative, tau)
        value = log_add(positive, negative) - positive
        return value, torch.ones_like(value, dtype=torch.bool)

    def _debias(self, positive: Tensor, negative: Tensor, tau: Tensor | float) -> Tensor:
        count = self._log_count(len(positive))
        mean = negative - count
        # log( e^mean - tau_plus e+ ) = mean + log( 1 - e^drop )
        drop = math.log(self.tau_plus) + positive - mean
        some = drop < 0
        rest = mean + torch.log(-torch.expm1(torch.where(some, drop, -1.0)))
        rest = rest - math.log1p(-self.tau_plus)
        floor = -1 / tau
        clamped = ~some | (rest < floor)
        if not self._warned and bool(clamped.sum() > 0.5 * len(clamped)):
            self._warned = True
            warnings.warn(
                f"HardNegativeInfoNCE: tau_plus={self.tau_plus:g} leaves more than half of the "
                "anchors without a gradient from their negatives; take a smaller tau_plus or a "
                "larger tau.",
                stacklevel=4,
            )
        return count + torch.where(clamped, floor, rest)

    def _log_count(self, rows: int) -> float:
        return math.log((rows - 1) * (2 if self.intra else 1))
