"""Alignment of positive pairs and uniformity on the sphere, as a loss and as two numbers."""

from __future__ import annotations

import math
import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_columns, check_positive, check_real, check_views
from gcl.ops.similarity import ProductRows, as_products, unit_rows
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class AlignmentUniformity(nn.Module):
    r"""Pulls the two views of a node together and spreads the nodes over the sphere.

    With unit rows u of z1 and v of z2,

        align   = mean_i ||u_i - v_i||^alpha
        uniform = log mean_{i < j} exp( -t ||u_i - u_j||^2 ),  mean of this for u and for v
        cross   = log mean_{i != j} exp( -t ||u_i - v_j||^2 )
        L = align_weight * align + uniform_weight * uniform + cross_weight * cross

    exact in O(N D) memory.

    Args:
        t: sharpness of the uniformity, > 0.
        alpha: power of the distance in the alignment, > 0.
        align_weight: >= 0.
        uniform_weight: >= 0; on graphs try 0.1, 0.3, 1.
        cross_weight: >= 0; 0.5 to 1 closes the gap between views of two different encoders.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    One row alone has nothing to spread: the loss is 0, with a warning. An encoder that ends in a
    ReLU reaches one orthant only; take rows after a projector.

    Raises:
        ValueError: a number outside its range, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and
        Uniformity on the Hypersphere", ICML 2020; Fahim et al., "It's Not a Modality Gap:
        Characterizing and Addressing the Contrastive Gap", 2024 (cross term; theirs is added to
        InfoNCE). Coinciding pairs pass no gradient, also where alpha < 1 has none.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(AlignmentUniformity()(z, z).item(), 4)  # all squared distances are 2
        -4.0
    """

    def __init__(
        self,
        t: float = 2.0,
        alpha: float = 2.0,
        *,
        align_weight: float = 1.0,
        uniform_weight: float = 1.0,
        cross_weight: float = 0.0,
    ):
        super().__init__()
        name = "AlignmentUniformity"
        check_positive(name, t=t, alpha=alpha)
        for key, weight in (
            ("align_weight", align_weight),
            ("uniform_weight", uniform_weight),
            ("cross_weight", cross_weight),
        ):
            check_real(name, **{key: weight})
            if not 0 <= weight < math.inf:
                raise ValueError(f"{name}: {key} must be a number of at least 0, got {weight}.")
        self.t, self.alpha = t, alpha
        self.align_weight, self.uniform_weight = align_weight, uniform_weight
        self.cross_weight = cross_weight

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("AlignmentUniformity", z1, z2)
        u, v = unit_rows(z1), unit_rows(z2)
        if len(u) < 2:
            if len(u) == 1:
                warnings.warn(
                    "AlignmentUniformity: one row has no pairs, so the loss is 0.", stacklevel=2
                )
            return 0 * (u.sum() + v.sum())
        with torch.autocast(z1.device.type, enabled=False):
            loss = self.align_weight * _mean_power(u, v, self.alpha)
            if not self.uniform_weight and not self.cross_weight:
                return loss
            first, second = as_products((u, v), "neg_sq_euclidean")
            if self.uniform_weight:
                spread = [log_mean_gaussian(z, z, self.t) for z in (first, second)]
                loss = loss + self.uniform_weight * torch.stack(spread).mean()
            if self.cross_weight:
                cross = log_mean_gaussian(first, second, self.t)
                loss = loss + self.cross_weight * cross
            return loss

    def extra_repr(self) -> str:
        return (
            f"t={self.t:g}, alpha={self.alpha:g}, align_weight={self.align_weight:g}, "
            f"uniform_weight={self.uniform_weight:g}, cross_weight={self.cross_weight:g}"
        )


def alignment(z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], alpha: float = 2.0) -> Tensor:
    r"""Mean distance of the two views of a node on the sphere: 0 is perfect.

        mean_i || z1_i/|z1_i| - z2_i/|z2_i| ||^alpha

    Args:
        z1: first view.
        z2: second view.
        alpha: power, > 0.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        TypeError, ValueError: as `AlignmentUniformity`.

    Reference:
        Wang and Isola, ICML 2020.

    Example:
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
        tensor(2.)
    """
    check_views("alignment", z1, z2)
    check_positive("alignment", alpha=alpha)
    return _mean_power(unit_rows(z1), unit_rows(z2), alpha)


def uniformity(z: Float[Tensor, "n d"], t: float = 2.0) -> Tensor:
    r"""How evenly the rows cover the sphere: 0 is collapse, lower is more even.

        log mean_{i < j} exp( -t || z_i/|z_i| - z_j/|z_j| ||^2 )

    Args:
        z: at least two rows.
        t: sharpness, > 0.

    Shape:
        z `[n, d]` -> scalar.

    Raises:
        TypeError, ValueError: fewer than two rows, t <= 0, not a floating-point matrix.

    Reference:
        Wang and Isola, ICML 2020.

    Example:
        >>> round(uniformity(torch.eye(12, 16)).item(), 4)
        -4.0
    """
    check_columns("uniformity", z, z)
    check_positive("uniformity", t=t)
    if len(z) < 2:
        raise ValueError(f"uniformity: expected at least 2 rows, got {len(z)}; it is over pairs.")
    (unit,) = as_products([unit_rows(z)], "neg_sq_euclidean")
    return log_mean_gaussian(unit, unit, t)


def log_mean_gaussian(q: ProductRows, k: ProductRows, t: float) -> Tensor:
    """`log mean_{i != j} exp(-t ||q_i - k_j||^2)` for rows of any length, at least two."""
    rows = streaming_logsumexp(q.left, k.right, tau=1 / t, exclude=True)
    if q.constant is not None:
        rows = rows + t * q.constant
    return rows.logsumexp(0) - math.log(len(rows) * (len(rows) - 1))


def _mean_power(u: Tensor, v: Tensor, alpha: float) -> Tensor:
    squared = (u - v).square().sum(1)
    # A power below 1 of exactly 0 has an infinite slope: such rows are done anyway.
    apart = squared > 0
    power = torch.where(apart, torch.where(apart, squared, 1.0).pow(alpha / 2), 0.0)
    return power.sum() / max(len(power), 1)
