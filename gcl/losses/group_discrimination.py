"""Group discrimination of GGD: real nodes against corrupted ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from gcl.checks import check_views
from gcl.ops.ranks import Ranks
from gcl.ops.similarity import in_one_type


class GroupDiscrimination(nn.Module):
    r"""Binary cross-entropy on the row sums: 1 for real nodes, 0 for corrupted ones; O(n d).

        s(z)_i = sum_a z_ia,
        L = 1/(2n) [ sum_i softplus( -s(z_real)_i ) + sum_i softplus( s(z_corrupt)_i ) ]

    The two matrices are two groups, not two views: which rows stand side by side plays no part.
    Let a linear layer with bias precede the loss, so that the sum is a learned score. The value is
    log 2 where the groups cannot be told apart.

    Shape:
        z_real, z_corrupt `[n, d]` -> scalar. Sums are taken in float32 or wider.

    Raises:
        ValueError: unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Zheng et al., "Rethinking and Scaling Up Graph Contrastive Learning: An Extremely Efficient
        Approach with Group Discrimination" (GGD), NeurIPS 2022.

    Example:
        >>> GroupDiscrimination()(torch.zeros(3, 4), torch.zeros(3, 4))
        tensor(0.6931)
    """

    def forward(self, z_real: Float[Tensor, "n d"], z_corrupt: Float[Tensor, "n d"]) -> Tensor:
        check_views("GroupDiscrimination", z_real, z_corrupt)
        real, corrupt = in_one_type(z_real, z_corrupt)
        with torch.autocast(z_real.device.type, enabled=False):
            total = softplus(-real.sum(1)).sum()
            total = total + softplus(corrupt.sum(1)).sum()
            return total / max(2 * len(z_real), 1)

    def across(self, together: Ranks, z_real: Tensor, z_corrupt: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        return self(z_real, z_corrupt) * (len(z_real) / max(together.total, 1))
