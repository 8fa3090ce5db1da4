"""CCA-SSG: correlated views with decorrelated columns."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_number, check_positive, check_views
from gcl.losses.barlow_twins import standardize
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import in_one_type


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
        check_views("CCASSG", z1, z2)
        if len(z1) < 2:
            raise ValueError(
                f"CCASSG: expected at least 2 rows, got {len(z1)}; a column of one row has no "
                "variance."
            )
        with torch.autocast(z1.device.type, enabled=False):
            a, b = (standardize(z, self.eps) for z in in_one_type(z1, z2))
            agreement = (a * b).sum() / len(a)
            return self.lam * (_decorrelation(a) + _decorrelation(b)) - agreement

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        check_views("CCASSG", z1, z2)
        if together.total < 2:
            return NotImplemented
        with torch.autocast(z1.device.type, enabled=False):
            a, b = (standardize(z, self.eps, together) for z in in_one_type(z1, z2))
            agreement = (a * b).sum() / together.total
            apart = _decorrelation(a, together) + _decorrelation(b, together)
            return self.lam * apart.to(a.dtype) / together.size - agreement

    def extra_repr(self) -> str:
        return f"lam={self.lam:g}"


def _decorrelation(z: Tensor, together: Ranks | None = None) -> Tensor:
    if together is None:
        correlation = z.t() @ z / len(z)
    else:  # in float64: the sum of partial sums would be rounded once a rank
        z = z.double()
        correlation = total(z.t() @ z, together) / together.total
    identity = torch.eye(len(correlation), dtype=z.dtype, device=z.device)
    return (identity - correlation).square().sum()
