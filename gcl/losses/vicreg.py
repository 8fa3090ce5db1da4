"""VICReg: invariance, variance and covariance instead of negatives."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from gcl.checks import check_positive, check_real, check_views
from gcl.ops.columns import mean_row
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import in_one_type


class VICReg(nn.Module):
    r"""Views agree, no column collapses, no two columns tell the same; O(n d^2), no n x n array.

        L = sim * mean( (z1 - z2)^2 )
          + var * mean over both views and columns of relu( gamma - sqrt(Var_a(z) + eps) )
          + cov * sum over both views of (1/d) sum_{a != b} Cov_ab(z)^2

    with variances and covariances over the rows, both by n - 1.

    Args:
        sim: weight of the invariance, >= 0. For node graphs trained with a learning rate of 1e-3
            lower weights such as (1, 1, 0.04) train better.
        var: weight of the variance, >= 0. The average over the two views is the paper's code; some
            graph libraries add the views instead, which amounts to twice this weight.
        cov: weight of the covariance, >= 0.
        gamma: the standard deviation to reach, > 0.
        eps: keeps the root differentiable for a constant column, > 0.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        ValueError: fewer than two rows (no variance), unequal shapes, a number outside its range.
        TypeError: not floating-point input.

    Reference:
        Bardes, Ponce and LeCun, "VICReg: Variance-Invariance-Covariance Regularization for
        Self-Supervised Learning", ICLR 2022. As in their code, the first term is a mean over
        entries; the text sums over columns.

    Example:
        >>> z = 2 * torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> VICReg()(z, z)  # equal views, deviation above 1, no correlation
        tensor(0.)
    """

    def __init__(
        self,
        sim: float = 25.0,
        var: float = 25.0,
        cov: float = 1.0,
        *,
        gamma: float = 1.0,
        eps: float = 1e-4,
    ):
        super().__init__()
        for key, value in (("sim", sim), ("var", var), ("cov", cov)):
            check_real("VICReg", **{key: value})
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"VICReg: {key} must be a number of at least 0, got {value:g}.")
        check_positive("VICReg", gamma=gamma, eps=eps)
        self.sim, self.var, self.cov, self.gamma, self.eps = sim, var, cov, gamma, eps

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("VICReg", z1, z2)
        if len(z1) < 2:
            raise ValueError(
                f"VICReg: expected at least 2 rows, got {len(z1)}; a column of one row has no "
                "variance."
            )
        with torch.autocast(z1.device.type, enabled=False):
            a, b = in_one_type(z1, z2)
            total = self.sim * (a - b).square().mean()
            for z in (a, b):
                centred = z - z.mean(dim=0)
                covariance = centred.t() @ centred / (len(z) - 1)
                variance = covariance.diagonal()
                short = relu(self.gamma - (variance + self.eps).sqrt())
                off = covariance - torch.diag(variance)
                total = total + self.var * short.mean() / 2
                total = total + self.cov * off.square().sum() / len(off)
            return total

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        check_views("VICReg", z1, z2)
        if (n := together.total) < 2:
            return NotImplemented
        with torch.autocast(z1.device.type, enabled=False):
            a, b = in_one_type(z1, z2)
            part = self.sim * (a - b).square().sum() / (n * a.shape[1])
            for z in (a, b):
                # In float64: the sum of partial sums would be rounded once a rank.
                centred = (z - mean_row(z, together)).double()
                covariance = total(centred.t() @ centred, together) / (n - 1)
                variance = covariance.diagonal()
                short = relu(self.gamma - (variance + self.eps).sqrt())
                off = covariance - torch.diag(variance)
                spread = self.var * short.mean() / 2 + self.cov * off.square().sum() / len(off)
                part = part + spread.to(part.dtype) / together.size
            return part

    def extra_repr(self) -> str:
        return f"sim={self.sim:g}, var={self.var:g}, cov={self.cov:g}, gamma={self.gamma:g}"
