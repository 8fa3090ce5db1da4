"""ProGCL's contrast: hard negatives weighted by how surely they are negatives."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_count, check_real
from gcl.losses.softmax import SoftmaxLoss, Temperature
from gcl.losses.weights.beta_mixture import fit_beta_mixture, mixture_weights
from gcl.ops.host import all_finite, number, set_number
from gcl.ops.multi_view import log_add
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class ProGCL(SoftmaxLoss):
    r"""InfoNCE whose negatives are weighted by a mixture fitted to their similarities.

    Until step t0 this is `InfoNCE`. Then, once, two beta distributions are fitted to the
    similarities between the views (`fit_beta_mixture`, on `columns` random nodes), and from there
    on, with `l(a, b) = cos(a, b) / tau`,

        L_i = - l(z1_i, z2_i) + log( exp l(z1_i, z2_i) + sum_{j != i} W_ij exp l(z1_i, z2_j)
                                                      + sum_{j != i} W_ij exp l(z1_i, z1_j) )

    with the weights of `mixture_weights(z1, z2)`, of mean 1, in both sums; the same with the views
    exchanged. Only the five numbers of the mixture are kept, in the state dict; O(N D) memory.

    Args:
        tau: temperature, > 0, see `SoftmaxLoss`.
        t0: steps before the mixture is fitted, >= 0; told by `after_step`.
        share: of false negatives at the start of the fit, in (0, 1).
        columns: nodes whose similarities to all others are fitted, >= 1.
        iterations: of the fit, >= 1.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]` -> scalar, or `[n]`.

    Raises:
        ValueError: numbers out of range, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Xia et al., "ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning", ICML
        2022, the weighting variant. Their weights of all pairs are stored, frozen at t0, and those
        of the first direction serve both; here each direction has its own, of the embeddings at
        hand. Their fit has the pairs (i, i) among its numbers.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(ProGCL(tau=0.4)(z, z).item(), 4)  # before t0: InfoNCE
        1.0317
    """

    t: Tensor
    mixture: Tensor

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        t0: int = 400,
        share: float = 0.05,
        columns: int = 100,
        iterations: int = 10,
        intra: bool = True,
        symmetric: bool = True,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(tau, intra=intra, symmetric=symmetric, reduction=reduction)
        check_count("ProGCL", least=0, t0=t0)
        check_count("ProGCL", columns=columns, iterations=iterations)
        check_real("ProGCL", share=share)
        if not 0 < share < 1:
            raise ValueError(f"ProGCL: share must lie in (0, 1), got {share}.")
        self.t0, self.share, self.columns, self.iterations = t0, share, columns, iterations
        self.register_buffer("t", torch.tensor(0))
        self.register_buffer("mixture", torch.full((5,), torch.nan, dtype=torch.float64))

    def after_step(self, step: int, total: int) -> None:
        """Moves t to the steps done."""
        set_number(self.t, step)

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        if number(self.t) >= self.t0 and len(z1) > 1 and not self._fitted:
            self.fit(z1, z2)
        return super().forward(z1, z2)

    @property
    def _fitted(self) -> bool:
        return all_finite(self.mixture)

    @torch.no_grad()
    def fit(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> None:
        """Fit the mixture to the similarities of these views, own pairs left out."""
        u, v = self.rows(z1, z2)
        chosen = torch.randperm(len(u), device=u.device)[: self.columns]
        s = u @ v[chosen].t()
        other = torch.ones_like(s, dtype=torch.bool)
        other[chosen, torch.arange(len(chosen), device=u.device)] = False
        s = ((s[other] + 1) / 2).clamp(0, 1)
        self.mixture.copy_(fit_beta_mixture(s, share=self.share, iterations=self.iterations))

    def denominators(
        self, u: Tensor, v: Tensor, tau: Tensor | float, *, exclude: bool
    ) -> list[Tensor]:
        if not self._fitted or not exclude:
            return super().denominators(u, v, tau, exclude=exclude)
        sides = []
        for q, k in ((u, v), (v, u))[: 2 if self.symmetric else 1]:
            rule = mixture_weights(q, k, self.mixture)
            parts = [
                streaming_logsumexp(q, other, tau=tau, exclude=True, log_weight=rule)
                for other in ((k, q) if self.intra else (k,))
            ]
            sides.append(log_add(*parts) if self.intra else parts[0])
        return sides

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        positive = similarity / tau
        value = log_add(positive, negative) - positive
        return value, torch.ones_like(value, dtype=torch.bool)
