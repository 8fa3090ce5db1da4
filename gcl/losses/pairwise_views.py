"""A loss of two views, for more of them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.ops.multi_view import sharing_kept_powers
from gcl.ops.ranks import Ranks, across_of


class PairwiseViews(nn.Module):
    r"""The mean of a two-view loss over all pairs of M views.

        L(z^1, .., z^M) = 2 / (M (M - 1)) sum_{a < b} l(z^a, z^b)

    Costs M (M - 1) / 2 times the loss and keeps the graphs of all pairs for the backward pass; for
    InfoNCE `PolyView` contrasts a view with all others at once.

    Args:
        loss: a module of two matrices; what it takes besides them is handed on by name. One that
            treats its two views differently gets the earlier one first.

    Shape:
        M times `[n, d]`, M >= 2 -> what the loss gives.

    Raises:
        TypeError: the loss is no module.
        ValueError: fewer than two views; what the loss raises.

    Reference:
        Tian et al., "Contrastive Multiview Coding", ECCV 2020, the "full graph" form.

    Example:
        >>> from gcl.losses import InfoNCE
        >>> z = torch.eye(12, 16)
        >>> round(PairwiseViews(InfoNCE(tau=0.4))(z, z, z).item(), 4)
        1.0317
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        if not isinstance(loss, nn.Module):
            raise TypeError(
                f"PairwiseViews: expected a loss module, got {type(loss).__name__}; a function "
                "becomes one in a class of its own."
            )
        self.pair = loss

    def after_step(self, step: int, total: int) -> None:
        """Handed on to the loss, if it follows the training."""
        follow = getattr(self.pair, "after_step", None)
        if callable(follow):
            follow(step, total)

    def forward(self, *views: Float[Tensor, "n d"], **further: Any) -> Tensor:
        if len(views) < 2:
            raise ValueError(f"PairwiseViews: expected at least two views, got {len(views)}.")
        pairs = list(combinations(views, 2))
        with sharing_kept_powers(len(pairs)):
            return torch.stack([self.pair(a, b, **further) for a, b in pairs]).mean(0)

    def across(self, together: Ranks, *views: Tensor, **further: Any) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, if the pair's loss has one."""
        pair = across_of(self.pair)
        if pair is None or len(views) < 2:
            return NotImplemented
        parts = []
        for a, b in combinations(views, 2):
            part = pair(together, a, b, **further)
            if part is NotImplemented:
                return NotImplemented
            parts.append(part)
        return torch.stack(parts).mean(0)
