"""Dropout whose draws and masks are cheap on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcl.checks import check_real
from gcl.graphs.features import is_csr, with_values
from gcl.ops.tracing import outside_graph


class Dropout(nn.Module):
    """Sets entries to 0 with probability p in training and divides the others by `1 - p`.

    What `torch.nn.Dropout` computes, from other draws: on a CPU torch takes one to two times as
    long a forward and backward pass, and keeps a mask of 4 bytes an entry instead of 1.

    Args:
        p: rate, in [0, 1).

    Raises:
        ValueError: p outside its range.

    Example:
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        check_real("Dropout", p=p)
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must lie in [0, 1), got {p}.")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """`Dropout` as a function."""
    if not training or p == 0:
        return x
    # Drawn in float32 for any x: half precision has too few numbers between 0 and 1.
    kept = torch.rand(x.shape, device=x.device) >= p
    return x.mul(kept).div_(1 - p)


@outside_graph
def feature_dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """`dropout` of features that may be a CSR matrix, whose zeros need none."""
    if not training or p == 0:
        return x
    if not is_csr(x):
        return dropout(x, p, training)
    return with_values(x, dropout(x.values(), p, training))
