"""InfoNCE in which nodes of strong communities attract and repel more, and more so with time."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_positive, check_real
from gcl.losses.softmax import SoftmaxLoss, Temperature
from gcl.losses.weights.rules import rank_one
from gcl.ops.host import all_finite, number, set_number
from gcl.ops.multi_view import log_add, two_view_logsumexp
from gcl.ops.ranks import Ranks
from gcl.ops.ranks import rows as gather
from gcl.ops.ring import ring_logsumexp
from gcl.ops.similarity import row_similarity
from gcl.ops.tracing import outside_graph


class TeamUp(SoftmaxLoss):
    r"""CSGCL's dynamic Team-up objective: InfoNCE with logits raised by community strength.

    With the strengths s of the communities of nodes i and j, in all terms alike

        l(a_i, b_j) = ( cos(a_i, b_j) + gamma(t) (s_i + s_j) ) / tau
        gamma(t)    = clip( (t - t0) / ramp, 0, gamma_max )
        L_i = - l(z1_i, z2_i) + log( sum_j exp l(z1_i, z2_j) + sum_{j != i} exp l(z1_i, z1_j) )

    mean over anchors, then over both directions; the second sum (`intra`) are the negatives of the
    same view. The anchor's own s_i cancels in L_i: what is left raises candidates of strong
    communities. Until t0, or without strengths, this is InfoNCE.

    `t` is the number of optimizer steps done. `after_step` moves it (`TwoView` passes the call
    on); it is a buffer, so checkpoints hold it. On a full graph a step is an epoch, the unit of the
    paper; with B batches an epoch give B times its `t0` and `ramp`.

    Args:
        tau: temperature, > 0: a number, a scalar `nn.Parameter`, or a module.
        t0: step from which gamma grows, >= 0; a third to four fifths of the training.
        gamma_max: where gamma ends, >= 0; 1 to 10 in the paper.
        ramp: steps in which gamma grows by 1, > 0.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    The call `loss(z1, z2, community_strength)` takes s, one number a row, as
    `gcl.transforms.AddCommunities` writes it; `TwoView` hands it over from the data.

    Shape:
        z1, z2 `[n, d]`, community_strength `[n]` -> scalar, or `[n]`.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: a number outside its range, unequal shapes, strengths that are not one finite
            number a row.
        TypeError: not floating-point input.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023.
        Their code stores N x N arrays and counts epochs from 1; `t` is 0 in the first step.

    Example:
        >>> loss, z = TeamUp(tau=0.4, t0=100, gamma_max=2.0), torch.eye(12, 16)
        >>> strength = torch.tensor([0.3] + 11 * [0.0])
        >>> round(loss(z, z, strength).item(), 4)  # gamma = 0: InfoNCE
        1.0317
        >>> loss.after_step(200, 1000)
        >>> loss.gamma, round(loss(z, z, strength).item(), 4)
        (1.0, 1.0552)
    """

    t: Tensor

    def __init__(
        self,
        tau: Temperature = 0.4,
        t0: float = 0,
        gamma_max: float = 1.0,
        *,
        ramp: float = 100.0,
        intra: bool = True,
        symmetric: bool = True,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(tau, intra=intra, symmetric=symmetric, reduction=reduction)
        for key, value in (("t0", t0), ("gamma_max", gamma_max)):
            check_real("TeamUp", **{key: value})
            if not 0 <= value < math.inf:
                raise ValueError(f"TeamUp: {key} must be a number of at least 0, got {value}.")
        check_positive("TeamUp", ramp=ramp)
        self.t0, self.gamma_max, self.ramp = t0, gamma_max, ramp
        self.register_buffer("t", torch.tensor(0))

    @property
    def gamma(self) -> float:
        """The weight of the strengths in the next step."""
        return min(max((number(self.t) - self.t0) / self.ramp, 0.0), self.gamma_max)

    def after_step(self, step: int, total: int) -> None:
        """Moves t to the steps done."""
        set_number(self.t, step)

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        community_strength: Float[Tensor, " n"] | None = None,
    ) -> Tensor:
        if community_strength is None:
            return super().forward(z1, z2)
        u, v = self.rows(z1, z2)
        gamma, strength = self.gamma, _checked(community_strength, len(u)).to(u)
        with torch.autocast(z1.device.type, enabled=False):
            similarity = row_similarity(u, v, self.similarity)
            tau = self.temperature(similarity)
            negatives = two_view_logsumexp(
                u, v, tau, intra=self.intra, exclude=True,
                log_weight=rank_one(strength * (gamma / tau)) if gamma else None,
            )  # fmt: skip
            raised = similarity + 2 * gamma * strength
            sides = [self.combine_logits(raised, negative, tau) for negative in negatives]
            return self.reduce(sides if self.symmetric else sides[:1])

    def across(
        self, together: Ranks, z1: Tensor, z2: Tensor, community_strength: Tensor | None = None
    ) -> Tensor:
        """As in `SoftmaxLoss`; the strengths, one number a row, are gathered."""
        if community_strength is None:
            return super().across(together, z1, z2)
        u, v = self.rows(z1, z2, together.total)
        gathered = gather(community_strength, together, summed=True)
        gamma, strength = self.gamma, _checked(gathered, together.total).to(u)
        with torch.autocast(z1.device.type, enabled=False):
            similarity = gather(row_similarity(u, v, self.similarity), together)
            tau = self.temperature(similarity)
            if isinstance(tau, Tensor) and tau.dim():
                return NotImplemented
            negatives = ring_logsumexp(
                (u, v), tau, together, intra=self.intra,
                log_weight=rank_one(strength * (gamma / tau)) if gamma else None,
            )  # fmt: skip
            raised = similarity + 2 * gamma * strength
            sides = [
                self.combine_logits(raised, gather(negative, together), tau)
                for negative in negatives[: 2 if self.symmetric else 1]
            ]
            # Every rank makes the same of the same numbers: all of the loss, not a part.
            return self.reduce(sides) / together.size

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        positive = similarity / tau
        value = log_add(positive, negative) - positive
        return value, torch.ones_like(value, dtype=torch.bool)


def _checked(strength: Tensor, rows: int) -> Tensor:
    if strength.shape != (rows,) or not all_finite(strength):
        raise ValueError(
            f"TeamUp: community_strength must hold {rows} finite numbers, one a row, got shape "
            f"{list(strength.shape)}."
        )
    return strength
