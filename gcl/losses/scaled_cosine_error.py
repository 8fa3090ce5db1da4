"""GraphMAE's error of reconstruction: small angles count for little."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_number, check_views
from gcl.ops.ranks import Ranks
from gcl.ops.similarity import row_similarity, unit_rows


class ScaledCosineError(nn.Module):
    r"""One minus the cosine of two rows, to a power; O(n d).

        L = mean_i ( 1 - cos(prediction_i, target_i) )^gamma

    Lengths of rows have no say. A zero row counts as cosine 0. The mean over no rows is 0.

    Args:
        gamma: sharpness, >= 1. Above 1, rows that are nearly right weigh less. Published: 1 to 3.

    Shape:
        prediction, target `[n, d]` -> scalar, in [0, 2^gamma].

    Raises:
        ValueError: gamma below 1, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> ScaledCosineError()(x, torch.tensor([[-3.0, 0.0], [0.0, 1.0]]))  # cosines -1 and 1
        tensor(4.)
    """

    def __init__(self, gamma: float = 3.0):
        super().__init__()
        check_number("ScaledCosineError", least=1, gamma=gamma)
        self.gamma = gamma

    def forward(self, prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Tensor:
        check_views("ScaledCosineError", prediction, target)
        with torch.autocast(prediction.device.type, enabled=False):
            cosine = row_similarity(unit_rows(prediction), unit_rows(target), "cosine")
            # Rounding may push a cosine beyond 1, and powers of negative numbers are none.
            return (1 - cosine).clamp(min=0).pow(self.gamma).sum() / max(len(cosine), 1)

    def across(self, together: Ranks, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        return self(prediction, target) * (len(prediction) / max(together.total, 1))

    def extra_repr(self) -> str:
        return f"gamma={self.gamma:g}"
