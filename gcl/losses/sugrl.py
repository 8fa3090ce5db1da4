"""SUGRL's bounded triplets: negatives further than positives, but not too far."""

from __future__ import annotations

import math
import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from gcl.checks import check_count, check_positive, check_real, check_views
from gcl.losses.triplet import draw_others, row_distance
from gcl.ops.similarity import comparable


class SUGRL(nn.Module):
    r"""Triplets with one or two positives and an upper bound on the distance of negatives.

    With the Euclidean distance d of the rows as they are, and `num_negatives` other rows `n_i` of
    the anchor matrix drawn for every anchor `a_i` at every call,

        L = w1 sum_n mean_i relu( d(a_i, p1_i) - d(a_i, n_i) + m1 )
          + w2 sum_n mean_i relu( d(a_i, p2_i) - d(a_i, n_i) + m1 )
          + w3 mean_n sum_i relu( d(a_i, n_i) - sg d(a_i, p1_i) - (m1 + m2) )

    where sg stops the gradient. The second line needs `positive2`.

    Args:
        m1: margin, > 0. Defaults are the paper's for Cora.
        m2: further distance that a negative may have, > 0.
        w1: weight of the first positive, >= 0.
        w2: weight of the second positive, >= 0.
        w3: weight of the upper bound, >= 0.
        num_negatives: an anchor, >= 1; all others if there are fewer.

    Shape:
        anchor, positive1, positive2 `[n, d]` -> scalar.

    One row alone has no negatives: the loss is 0, with a warning. Distances as in `Triplet`.

    Raises:
        ValueError: a number outside its range, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Mo et al., "Simple Unsupervised Graph Representation Learning", AAAI 2022. The sums are
        those of the public code, for which the published weights are tuned: in mini-batches
        divide w3 by the number of rows. Negatives there are plain permutations of the rows, in
        which a row may be its own negative; here it never is.

    Example:
        >>> anchor = torch.eye(12, 16)
        >>> value = SUGRL(num_negatives=2)(anchor, anchor)  # 12 rows, sqrt 2 - 1 above the bound
        >>> round(value.item(), 4)
        4.9706
    """

    def __init__(
        self,
        *,
        m1: float = 0.8,
        m2: float = 0.2,
        w1: float = 10.0,
        w2: float = 10.0,
        w3: float = 1.0,
        num_negatives: int = 4,
    ):
        super().__init__()
        check_positive("SUGRL", m1=m1, m2=m2)
        for name, weight in (("w1", w1), ("w2", w2), ("w3", w3)):
            check_real("SUGRL", **{name: weight})
            if not 0 <= weight < math.inf:
                raise ValueError(f"SUGRL: {name} must be a number of at least 0, got {weight}.")
        check_count("SUGRL", num_negatives=num_negatives)
        self.m1, self.m2, self.w1, self.w2, self.w3 = m1, m2, w1, w2, w3
        self.num_negatives = num_negatives

    def forward(
        self,
        anchor: Float[Tensor, "n d"],
        positive1: Float[Tensor, "n d"],
        positive2: Float[Tensor, "n d"] | None = None,
    ) -> Tensor:
        positives = [positive1] if positive2 is None else [positive1, positive2]
        for z in positives:
            check_views("SUGRL", anchor, z)
        a, *positives = (comparable(z, "dot") for z in (anchor, *positives))
        n = len(a)
        if n < 2:
            if n == 1:
                warnings.warn("SUGRL: one row has no negatives, so the loss is 0.", stacklevel=2)
            return 0 * torch.stack([z.sum() for z in (a, *positives)]).sum()
        with torch.autocast(anchor.device.type, enabled=False):
            near = [row_distance(a, p) for p in positives]
            limit = near[0].detach() + self.m1 + self.m2
            drawn = draw_others(n, min(self.num_negatives, n - 1), a.device)
            total = a.new_zeros(())
            for other in drawn:
                far = row_distance(a, a[other])
                for weight, distance in zip((self.w1, self.w2), near, strict=False):
                    total = total + weight * relu(distance - far + self.m1).mean()
                total = total + self.w3 * relu(far - limit).sum() / len(drawn)
            return total

    def extra_repr(self) -> str:
        return (
            f"m1={self.m1:g}, m2={self.m2:g}, w1={self.w1:g}, w2={self.w2:g}, w3={self.w3:g}, "
            f"num_negatives={self.num_negatives}"
        )
