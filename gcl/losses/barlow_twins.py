"""Barlow Twins: decorrelated columns instead of negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_number, check_positive
from gcl.ops.columns import correlation, standard_views
from gcl.ops.ranks import Ranks


class BarlowTwins(nn.Module):
    r"""Cross-correlation of the two views close to the identity; O(N D^2), no N x N array.

    With columns standardised to mean 0 and variance 1 over the rows (both by the same 1/N) and
    `C = z1^T z2 / N`, `[d, d]`,

        L = sum_a (1 - C_aa)^2 + lam * sum_{a != b} C_ab^2 .

    Args:
        lam: weight of the off-diagonal part, > 0; None takes 1/d as Graph Barlow Twins does
            (images: 5e-3).
        eps: added to the standard deviation, so that a constant column gives zeros.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        ValueError: fewer than two rows (no variance), unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction",
        ICML 2021; Bielak et al., "Graph Barlow Twins", Knowledge-Based Systems 2022 (lam = 1/d).
        Public code mixes a 1/(N-1) variance with a 1/N product, so C_aa never reaches 1.

    Example:
        >>> z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> round(BarlowTwins()(z, z).item(), 4)
        0.0
    """

    def __init__(self, lam: float | None = None, *, eps: float = 1e-5):
        super().__init__()
        if lam is not None:
            check_positive("BarlowTwins", lam=lam)
        check_number("BarlowTwins", least=0, eps=eps)
        self.lam, self.eps = lam, eps

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        return self._loss(z1, z2, None)

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        return self._loss(z1, z2, together) / together.size

    def _loss(self, z1: Tensor, z2: Tensor, together: Ranks | None) -> Tensor:
        a, b = standard_views("BarlowTwins", z1, z2, self.eps, together)
        with torch.autocast(a.device.type, enabled=False):
            cross = correlation(a, b, together)
            diagonal = cross.diagonal()
            lam = 1 / len(cross) if self.lam is None else self.lam
            off = cross - torch.diag(diagonal)
            loss = (1 - diagonal).square().sum() + lam * off.square().sum()
            return loss.to(a.dtype)

    def extra_repr(self) -> str:
        return f"lam={'1/d' if self.lam is None else self.lam}"
