"""Columns of two views with mean 0 and variance 1, and how they correlate, over one rank or all."""

from __future__ import annotations

import torch
from torch import Tensor

from gcl.checks import check_views
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import BOUNDS, in_one_type


def standard_views(
    name: str, z1: Tensor, z2: Tensor, eps: float, together: Ranks | None = None
) -> tuple[Tensor, Tensor]:
    """Both views in one type, each with columns of mean 0 and variance 1, see `standardize`.

    Args:
        name: of the loss, for errors.
        z1: first view.
        z2: second view.
        eps: added to the deviation.
        together: the ranks whose rows are meant, if not only these.

    Raises:
        ValueError: fewer than two rows, unequal shapes.
        TypeError: not floating-point input.
    """
    check_views(name, z1, z2)
    rows = len(z1) if together is None else together.total
    if rows < 2:
        raise ValueError(
            f"{name}: expected at least 2 rows, got {rows}; a column of one row has no variance."
        )
    with torch.autocast(z1.device.type, enabled=False):
        a, b = (standardize(z, eps, together) for z in in_one_type(z1, z2))
    return a, b


def standardize(z: Tensor, eps: float, together: Ranks | None = None) -> Tensor:
    """Columns with mean 0 and variance 1 (1/N); constant columns become 0.

    A deviation below 1e-12 in float32, 1e-97 in float64, is none: its gradient would not be finite.
    NaN where the variance is beyond the type (deviations above 1e19 in float32).

    Args:
        z: rows.
        eps: added to the deviation.
        together: the ranks whose rows are meant, if not only these.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    z = z - mean_row(z, together)
    # The root of 0 has no finite gradient: take it only where there is variance.
    variance = mean_row(z.square(), together)
    varies = variance > BOUNDS[z.dtype][0]
    # A square beyond the type would pass for a deviation that makes the column 0: NaN tells.
    deviation = torch.where(varies, variance, 1.0).sqrt()
    return z / (deviation.masked_fill(variance.detach() == torch.inf, torch.nan) + eps)


def mean_row(z: Tensor, together: Ranks | None = None) -> Tensor:
    """The mean of the rows, of all ranks if there are several, `[d]`."""
    if together is None:
        return z.mean(dim=0)
    return (total(z.double().sum(dim=0), together) / together.total).to(z.dtype)


def correlation(a: Tensor, b: Tensor, together: Ranks | None = None) -> Tensor:
    """`a^T b / N`, `[d, d]`; of several ranks in float64."""
    if together is None:
        return a.t() @ b / len(a)
    # The sum of partial sums would be rounded once a rank.
    return total(a.double().t() @ b.double(), together) / together.total
