"""InfoNCE with other powers of the distance than the square."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_fraction, check_real
from gcl.losses.softmax import SoftmaxLoss, Temperature
from gcl.ops.log_weight import LogWeight
from gcl.ops.multi_view import combine, log_add
from gcl.ops.similarity import common_centre, row_similarity
from gcl.ops.stream_rows import as_tau, takes_dense
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiles import Products
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph

# Added to squared distances: the slope of ||u - v||^gamma, gamma < 2, stays finite where u = v.
EPS = 1e-6


class KernelInfoNCE(SoftmaxLoss):
    r"""InfoNCE with an exponential kernel of the distance of unit rows, in O(N D) memory.

    With `u = z1 / ||z1||`, `v = z2 / ||z2||` and `k(a, b) = exp( -||a - b||^gamma / tau )`,

        L_gamma,i = - log( k(u_i, v_i) / ( sum_j k(u_i, v_j) + sum_{j != i} k(u_i, u_j) ) )
        L         = mix L_gamma + (1 - mix) L_2

    `gamma = 2` is InfoNCE with temperature tau / 2; smaller powers push less on rows that are far
    apart and more on close ones. `||a - b||^2 = 2 - 2 cos(a, b) + 1e-6`, which keeps the slope
    finite at distance 0; rows are compared around their mean, so that nearly parallel ones keep
    their digits.

    Args:
        tau: temperature, > 0: a number, an `nn.Parameter`, or a module. The same tau means less
            contrast for a smaller gamma; tune it for each.
        gamma: power of the distance, in (0, 2].
        mix: share of L_gamma, in [0, 1]; the rest is L_2 at the same tau.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]` -> scalar, or `[n]`.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, gamma or mix outside their range, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Tan et al., "Contrastive Learning Is Spectral Clustering on Similarity Graph", ICLR 2024
        (gamma 0.5 and 1; mix = 0.5 is their sum mixture). Their code subtracts the diagonal after
        summing; here it is left out, which keeps small tau exact. Their distance is that of the
        rows; for a zero row ours is that of a row at right angles to all others.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(KernelInfoNCE(tau=0.8, gamma=2.0)(z, z).item(), 4)  # InfoNCE(0.4)
        1.0317
        >>> round(KernelInfoNCE(tau=0.4, gamma=1.0)(z, z).item(), 4)
        0.4964
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        gamma: float = 1.0,
        mix: float = 1.0,
        intra: bool = True,
        symmetric: bool = True,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(tau, intra=intra, symmetric=symmetric, reduction=reduction)
        check_real("KernelInfoNCE", gamma=gamma)
        if not 0 < gamma <= 2:
            raise ValueError(f"KernelInfoNCE: gamma must lie in (0, 2], got {gamma}.")
        check_fraction("KernelInfoNCE", mix=mix)
        self.gamma, self.mix = gamma, mix

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        u, v = self.rows(z1, z2)
        with torch.autocast(z1.device.type, enabled=False):
            parts = [(self.mix, self.gamma), (1 - self.mix, 2.0)]
            parts = [(share, gamma) for share, gamma in parts if share]
            # Both directions hold the rows of a cosine; not for nothing.
            needed = isinstance(self.tau, nn.Module) or any(gamma == 2 for _, gamma in parts)
            cosine = row_similarity(u, v, "cosine") if needed else u.new_zeros(len(u))
            tau = self.temperature(cosine)
            total = u.new_zeros(())
            for share, gamma in parts:
                if gamma == 2:  # the constant -2 / tau cancels
                    similarity = 2 * cosine
                    negatives = self.denominators(u, v, tau / 2, exclude=True)
                else:
                    zero = _lacking(u) + _lacking(v)
                    similarity = _kernel((u - v).square().sum(1) + zero, gamma)
                    negatives = self._denominators(u, v, tau, gamma)
                sides = [self.combine_logits(similarity, negative, tau) for negative in negatives]
                total = total + share * self.reduce(sides)
            return total

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        positive = similarity / tau
        value = log_add(positive, negative) - positive
        return value, torch.ones_like(value, dtype=torch.bool)

    def _denominators(
        self, u: Tensor, v: Tensor, tau: Tensor | float, gamma: float
    ) -> list[Tensor]:
        """Log of the sums of `exp(kernel / tau)`: weights of pairs whose own logits are all 0."""
        scale = 1 / as_tau(u, tau)
        bound = (4 + 2 * EPS) ** (gamma / 2) * float(scale.detach())
        # The products are made by the rule, so the precision is its business too.
        precision = "fp32" if takes_dense(u, v) else current_tiling().precision
        products = Products(precision, u.device)
        # Around their mean the products are no larger than the distances are.
        centre = common_centre((u, v))
        rows = [z - centre for z in (u, v)]
        squares = [
            z.square().sum(1) + _lacking(whole) for z, whole in zip(rows, (u, v), strict=True)
        ]

        def weight(
            i: slice, j: slice, a: Tensor, a2: Tensor, b: Tensor, b2: Tensor, scale: Tensor
        ) -> Tensor:
            outer = a2[i, None] + b2[j]
            if products.low:  # squares would be rounded to three digits
                square = outer - 2 * products.product(a[i], b[j])
            else:
                square = torch.addmm(outer, a[i], b[j].t(), alpha=-2)
            return _kernel(square, gamma) * scale

        def one_way(a: int, b: int, exclude: bool) -> Tensor:
            tensors = rows[a], squares[a], rows[b], squares[b], scale
            return streaming_logsumexp(
                u[:, :0],
                v[:, :0],
                tau=1.0,
                exclude=exclude,
                log_weight=LogWeight(weight, *tensors, bound=bound, width=4),
            )

        anchors = 2 if self.symmetric else 1
        return combine((0, 1), one_way, intra=self.intra, exclude=True, anchors=anchors)


def _kernel(square: Tensor, gamma: float) -> Tensor:
    """`-||a - b||^gamma` from squared distances of unit rows."""
    square = square.clamp(min=0) + EPS
    return -(square.sqrt() if gamma == 1 else square.pow(gamma / 2))  # the root is much faster


def _lacking(z: Tensor) -> Tensor:
    """What the squared length of a zero row lacks: it is at right angles to all others."""
    return (z.detach() == 0).all(1).to(z.dtype)
