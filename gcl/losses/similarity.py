"""Rows on the unit sphere."""

from __future__ import annotations

import torch
from torch import Tensor


def unit_rows(z: Tensor) -> Tensor:
    """`z / ||z||` row by row; a zero row stays zero and passes a finite gradient.

    (Dividing by `max(||z||, eps)` instead would multiply the gradient of a zero row by 1/eps.)
    Half precision is raised to float32 first.

    Shape:
        `[n, d]` -> `[n, d]`.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    squared = z.square().sum(dim=1, keepdim=True)
    tiny = torch.finfo(z.dtype).tiny
    return z * torch.where(squared > tiny, squared, 1.0).rsqrt()
