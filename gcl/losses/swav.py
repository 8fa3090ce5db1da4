"""SwAV: each view predicts the balanced prototype codes of the other."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from gcl.checks import check_choice, check_count, check_positive, check_views
from gcl.ops.similarity import in_one_type, unit_rows
from gcl.ops.sinkhorn import sinkhorn


class SwAV(nn.Module):
    r"""Swapped prediction of cluster codes; linear in n, no negatives.

    With prototypes c_k of unit length, scores `a1_ik = cos(z1_i, c_k)` and codes
    `Q1 = sinkhorn(a1)` that carry no gradient,

        L = -1/(2n) sum_i [ sum_k Q2_ik log softmax(a1_i / tau)_k
                          + sum_k Q1_ik log softmax(a2_i / tau)_k ].

    The prototypes are learned with the model: give `loss.parameters()` to the optimizer (a method
    that holds the loss does). To hold them for the first steps, which steadies the start, call
    `loss.prototypes.requires_grad_(False)` and switch it back later. Time O(n K d), memory O(n K).

    Args:
        in_channels: width of the rows, d.
        num_prototypes: K; for nodes about 10 times the classes or the root of n. The codes share
            the rows equally among prototypes, so K must be well above the number of unbalanced
            classes.
        tau: temperature of the prediction, > 0.
        eps: softness of the codes, > 0; below tau, or the codes teach nothing.
        iterations: of `sinkhorn`.
        reduction: "mean", or "none" for one value a row `[n]`.

    Shape:
        z1, z2 `[n, in_channels]` -> scalar, or `[n]`.

    One row has uniform codes whatever it is; the loss is then 0, with a warning.

    Raises:
        ValueError: a number not above 0, unequal shapes, rows of another width.
        TypeError: not floating-point input.

    Reference:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
        Assignments", NeurIPS 2020. They scale the prototypes back to unit length after every
        optimizer step; here they are scaled where they are used, which needs no hook in the
        training loop.

    Example:
        >>> loss = SwAV(2, num_prototypes=2)
        >>> loss.prototypes.data = torch.eye(2)
        >>> z = torch.eye(2)
        >>> round(loss(z, z).item(), 4)
        0.0
        >>> round(loss(z, z.flip(0)).item(), 4)  # 1 / tau: the views swap the prototypes
        10.0
    """

    def __init__(
        self,
        in_channels: int,
        num_prototypes: int,
        tau: float = 0.1,
        eps: float = 0.05,
        iterations: int = 3,
        *,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        check_count("SwAV", in_channels=in_channels, num_prototypes=num_prototypes)
        check_count("SwAV", iterations=iterations)
        check_positive("SwAV", tau=tau, eps=eps)
        check_choice("SwAV", "reduction", reduction, ("mean", "none"))
        self.tau, self.eps, self.iterations, self.reduction = tau, eps, iterations, reduction
        self.prototypes = nn.Parameter(torch.empty(num_prototypes, in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the prototypes anew: uniform directions."""
        with torch.no_grad():
            self.prototypes.copy_(unit_rows(torch.randn_like(self.prototypes)))

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("SwAV", z1, z2)
        if z1.shape[1] != self.prototypes.shape[1]:
            raise ValueError(
                f"SwAV: expected rows of width {self.prototypes.shape[1]}, got {z1.shape[1]}; "
                "in_channels must be the width of what the loss sees."
            )
        with torch.autocast(z1.device.type, enabled=False):
            rows = (unit_rows(z) for z in (z1, z2, self.prototypes))
            u, v, prototypes = in_one_type(*rows)
            a1, a2 = (z @ prototypes.t() for z in (u, v))
            values = (self._predict(a1, a2) + self._predict(a2, a1)) / 2
            if len(values) == 1:
                warnings.warn(
                    "SwAV: one row has no code of its own, so the loss is 0.", stacklevel=2
                )
                values = values * 0
            return values if self.reduction == "none" else values.sum() / max(len(values), 1)

    def _predict(self, scores: Tensor, other: Tensor) -> Tensor:
        codes = sinkhorn(other, self.eps, self.iterations)
        return -(codes * log_softmax(scores / self.tau, dim=1)).sum(1)

    def extra_repr(self) -> str:
        prototypes, channels = self.prototypes.shape
        return f"{channels}, {prototypes}, tau={self.tau:g}, eps={self.eps:g}"
