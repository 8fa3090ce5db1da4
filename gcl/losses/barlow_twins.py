"""Barlow Twins: decorrelated columns instead of negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_number, check_positive, check_views
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import in_one_type


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
        check_views("BarlowTwins", z1, z2)
        if len(z1) < 2:
            raise ValueError(
                f"BarlowTwins: expected at least 2 rows, got {len(z1)}; a column of one row has "
                "no variance."
            )
        with torch.autocast(z1.device.type, enabled=False):
            a, b = (standardize(z, self.eps) for z in in_one_type(z1, z2))
            cross = a.t() @ b / len(a)
            diagonal = cross.diagonal()
            lam = 1 / len(cross) if self.lam is None else self.lam
            off = cross - torch.diag(diagonal)
            return (1 - diagonal).square().sum() + lam * off.square().sum()

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        check_views("BarlowTwins", z1, z2)
        if together.total < 2:
            return NotImplemented
        with torch.autocast(z1.device.type, enabled=False):
            a, b = (standardize(z, self.eps, together) for z in in_one_type(z1, z2))
            # In float64: the sum of partial sums would be rounded once a rank.
            cross = total(a.double().t() @ b.double(), together) / together.total
            diagonal = cross.diagonal()
            lam = 1 / len(cross) if self.lam is None else self.lam
            off = cross - torch.diag(diagonal)
            loss = (1 - diagonal).square().sum() + lam * off.square().sum()
            return loss.to(a.dtype) / together.size

    def extra_repr(self) -> str:
        return f"lam={'1/d' if self.lam is None else self.lam}"


def standardize(z: Tensor, eps: float, together: Ranks | None = None) -> Tensor:
    """Columns with mean 0 and variance 1 (1/N); constant columns become 0.

    NaN where the variance is beyond the type (deviations above 1e19 in float32).

    Args:
        z: rows.
        eps: added to the deviation.
        together: the ranks whose rows are meant, if not only these.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    z = z - mean_row(z, together)
    # The root of exactly 0 has no finite gradient: take it only where there is variance.
    variance = mean_row(z.square(), together)
    varies = variance > 0
    # A square beyond the type would pass for a deviation that makes the column 0: NaN tells.
    deviation = torch.where(varies, variance, 1.0).sqrt()
    return z / (deviation.masked_fill(variance.detach() == torch.inf, torch.nan) + eps)


def mean_row(z: Tensor, together: Ranks | None = None) -> Tensor:
    """The mean of the rows, of all ranks if there are several, `[d]`."""
    if together is None:
        return z.mean(dim=0)
    return (total(z.double().sum(dim=0), together) / together.total).to(z.dtype)
