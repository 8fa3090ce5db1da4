"""CCA-SSG: correlated views with decorrelated columns."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_number, check_positive
from gcl.ops.columns import correlation, standard_views
from gcl.ops.ranks import Ranks


class CCASSG(nn.Module):
    r"""Soft canonical correlation analysis; O(n d^2), no n x n array.

    With the columns of both views standardised to mean 0 and variance 1 (by 1/n),

        L = - sum_a (z1^T z2 / n)_aa + lam * ( ||I - z1^T z1 / n||_F^2 + ||I - z2^T z2 / n||_F^2 ).

    The sums are not divided by d; the smallest value is -d, for equal views with uncorrelated
    columns.

    Args:
        lam: weight of the decorrelation, > 0; published values are 5e-4 and 1e-3.
        eps: added to the standard deviation, so that a constant column gives zeros.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        ValueError: fewer than two rows (no variance), unequal shapes, lam <= 0.
        TypeError: not floating-point input.

    Reference:
        Zhang et al., "From Canonical Correlation Analysis to Self-supervised Graph Neural
        Networks", NeurIPS 2021. Their code divides by the standard deviation without eps (a dead
        column gives NaN) and mixes a 1/(n-1) variance with a 1/n product.

    Example:
        >>> z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> round(CCASSG()(z, z).item(), 3)
        -2.0
    """

    def __init__(self, lam: float = 1e-3, *, eps: float = 1e-5):
        super().__init__()
        check_positive("CCASSG", lam=lam)
        check_number("CCASSG", least=0, eps=eps)
        self.lam, self.eps = lam, eps

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        return self._loss(z1, z2, None)

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        return self._loss(z1, z2, together)

    def _loss(self, z1: Tensor, z2: Tensor, together: Ranks | None) -> Tensor:
        a, b = standard_views("CCASSG", z1, z2, self.eps, together)
        rows, size = (len(a), 1) if together is None else (together.total, together.size)
        with torch.autocast(a.device.type, enabled=False):
            agreement = (a * b).sum() / rows
            apart = _decorrelation(a, together) + _decorrelation(b, together)
            return self.lam * apart.to(a.dtype) / size - agreement

    def extra_repr(self) -> str:
        return f"lam={self.lam:g}"


def _decorrelation(z: Tensor, together: Ranks | None) -> Tensor:
    found = correlation(z, z, together)
    identity = torch.eye(len(found), dtype=found.dtype, device=found.device)
    return (identity - found).square().sum()
