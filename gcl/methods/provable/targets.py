"""Where a node should point, by its other view."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gcl.ops.similarity import unit_rows


def target_directions(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """What a node's other view must point along: its positive minus the mean of its negatives.

        w_i = zhat_i - mean_{j != i} zhat_j,   zhat = z / norm(z)

    One row has no negatives and gives 0.

    Shape:
        z `[n, d]` -> `[n, d]`.

    Example:
        >>> import torch
        >>> target_directions(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    u = unit_rows(z)
    n = len(u)
    if n < 2:
        return u * 0.0
    return u * (n / (n - 1)) - u.sum(0) / (n - 1)
