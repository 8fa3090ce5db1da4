"""The bootstrap cosine of BYOL and BGRL: predict a target that does not move."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_views
from gcl.ops.ranks import Ranks
from gcl.ops.similarity import unit_rows


class BootstrapCosine(nn.Module):
    r"""One minus the cosine of a prediction and a constant target; O(n d), no negatives.

        L = 1 - mean_i cos( prediction_i, stop_gradient(target_i) )

    One direction, in [0, 2]. BGRL adds two: with q the predictions of the online encoder and y the
    outputs of the target encoder, `loss(q1, y2) + loss(q2, y1)`. Without the predictor and the slow
    target the representations collapse; the loss does not see that.

    Args:
        reduction: "mean", or "none" for one value a row `[n]`.

    Shape:
        prediction, target `[n, d]` -> scalar, or `[n]`. A zero row counts as cosine 0.

    Raises:
        ValueError: unequal shapes, an unknown reduction.
        TypeError: not floating-point input.

    Reference:
        Thakoor et al., "Large-Scale Representation Learning on Graphs via Bootstrapping" (BGRL),
        ICLR 2022; Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, whose squared distance
        is twice this. Some graph libraries return the cosine itself, which trains disagreement.

    Example:
        >>> q = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> BootstrapCosine()(q, torch.tensor([[3.0, 0.0], [1.0, 0.0]]))  # cosines 1 and 0
        tensor(0.5000)
    """

    def __init__(self, *, reduction: Literal["mean", "none"] = "mean"):
        super().__init__()
        check_choice("BootstrapCosine", "reduction", reduction, ("mean", "none"))
        self.reduction = reduction

    def forward(self, prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Tensor:
        check_views("BootstrapCosine", prediction, target)
        with torch.autocast(prediction.device.type, enabled=False):
            values = 1 - (unit_rows(prediction) * unit_rows(target.detach())).sum(1)
            return values if self.reduction == "none" else values.sum() / max(len(values), 1)

    def across(self, together: Ranks, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        if self.reduction == "none":
            return NotImplemented
        return self(prediction, target) * (len(prediction) / max(together.total, 1))
