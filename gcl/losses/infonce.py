"""InfoNCE between two views of the same nodes."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.losses.checks import check_choice, check_pairs, check_positive, check_views
from gcl.losses.similarity import unit_rows
from gcl.losses.streaming import two_view_logsumexp

# Below this many rows the dense form needs fewer calls and its N x N arrays are small change.
_DENSE_ROWS = 256


class InfoNCE(nn.Module):
    r"""InfoNCE (NT-Xent in GRACE's form) over cosine similarities, exact in O(N D) memory.

    With `l(a, b) = cos(a, b) / tau`, the anchor `z1_i` contributes

        L_i = - l(z1_i, z2_i) + log( sum_j exp l(z1_i, z2_j) + sum_{j != i} exp l(z1_i, z1_j) )

    and the loss is the mean over anchors, then over both directions (z1 -> z2, z2 -> z1).
    The second sum (`intra`) are the negatives of the same view. With `pos_edge_index` the first
    term becomes the weighted mean over the positives of i (SupCon's "out" form): pairs
    (i in z1, j in z2), and only those, so list (i, i) too if it shall be one.

    Args:
        tau: temperature, > 0: a number, or a scalar `nn.Parameter` that is then learned.
        intra: also contrast with the other rows of the same view.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        reduction: "mean", or "none" for one value an anchor `[n]` (0 where it has no positive).
        implementation: "tiled" never stores an N x N array; "dense" is plain PyTorch; "auto"
            takes the dense form for a few hundred rows only.
        tile: rows of a tile; None chooses.

    Shape:
        z1, z2 `[n, d]`, pos_edge_index `[2, p]`, pos_weight `[p]` -> scalar, or `[n]`.

    Rows without a positive are left out of the mean; if none is left, the result is a zero that
    keeps the graph. One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, unequal shapes, positives out of range.
        TypeError: not floating-point input.

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018;
        Zhu et al., "Deep Graph Contrastive Representation Learning" (GRACE), ICML GRL+ 2020;
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (several positives).
        GRACE's code subtracts the diagonal after exponentiating; here it is masked, which keeps
        small tau exact.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(InfoNCE(tau=0.4)(z, z).item(), 4)
        1.0317
    """

    def __init__(
        self,
        tau: float | nn.Parameter = 0.4,
        *,
        intra: bool = True,
        symmetric: bool = True,
        reduction: Literal["mean", "none"] = "mean",
        implementation: Literal["auto", "dense", "tiled"] = "auto",
        tile: int | None = None,
    ):
        super().__init__()
        check_positive("InfoNCE", tau=tau)
        check_choice("InfoNCE", "reduction", reduction, ("mean", "none"))
        check_choice("InfoNCE", "implementation", implementation, ("auto", "dense", "tiled"))
        if tile is not None:
            check_positive("InfoNCE", tile=tile)
        self.tau, self.intra, self.symmetric = tau, intra, symmetric
        self.reduction, self.implementation, self.tile = reduction, implementation, tile

    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        pos_edge_index: Int[Tensor, "2 p"] | None = None,
        pos_weight: Float[Tensor, " p"] | None = None,
    ) -> Tensor:
        check_views("InfoNCE", z1, z2)
        if pos_edge_index is not None:
            check_pairs("InfoNCE", pos_edge_index, pos_weight, len(z1))
        elif pos_weight is not None:
            raise ValueError("InfoNCE: pos_weight needs pos_edge_index, the pairs it weighs.")
        if len(z1) == 1:
            warnings.warn("InfoNCE: one row has no negatives, so the loss is 0.", stacklevel=2)
        with torch.autocast(z1.device.type, enabled=False):
            return self._loss(unit_rows(z1), unit_rows(z2), pos_edge_index, pos_weight)

    def _loss(
        self, u: Tensor, v: Tensor, pairs: Tensor | None, pos_weight: Tensor | None
    ) -> Tensor:
        dense = self.implementation == "dense"
        if self.implementation == "auto":
            dense = len(u) <= _DENSE_ROWS
        if dense:
            forth, back = dense_two_view_logsumexp(u, v, self.tau, intra=self.intra)
        else:
            forth, back = two_view_logsumexp(u, v, self.tau, intra=self.intra, tile=self.tile)

        if pairs is None:
            logits = (u * v).sum(dim=1) / self.tau
            every = torch.ones_like(logits, dtype=torch.bool)
            sides = [(forth - logits, every), (back - logits, every)]
        else:
            weight = u.new_ones(pairs.shape[1]) if pos_weight is None else pos_weight.to(u.dtype)
            logits = (u[pairs[0]] * v[pairs[1]]).sum(dim=1) / self.tau
            sides = [
                _minus_positives(lse, logits, weight, anchor)
                for lse, anchor in ((forth, pairs[0]), (back, pairs[1]))
            ]
        sides = sides if self.symmetric else sides[:1]
        if self.reduction == "none":
            return sum((side for side, _ in sides), u.new_zeros(len(u))) / len(sides)
        means = [side.sum() / has.sum().clamp(min=1) for side, has in sides]
        return sum(means, u.new_zeros(())) / len(means)

    def extra_repr(self) -> str:
        tau = float(self.tau)
        return f"tau={tau:g}, intra={self.intra}, symmetric={self.symmetric}"


def dense_two_view_logsumexp(
    u: Tensor, v: Tensor, tau: Tensor | float, *, intra: bool = True
) -> tuple[Tensor, Tensor]:
    """The same as `two_view_logsumexp`, written plainly with N x N arrays: the oracle."""
    across = u @ v.t() / tau
    forth, back = [across], [across.t()]
    if intra:
        itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
        forth.append((u @ u.t() / tau).masked_fill(itself, -torch.inf))
        back.append((v @ v.t() / tau).masked_fill(itself, -torch.inf))
    return torch.cat(forth, 1).logsumexp(1), torch.cat(back, 1).logsumexp(1)


def _minus_positives(
    lse: Tensor, logits: Tensor, weight: Tensor, anchor: Tensor
) -> tuple[Tensor, Tensor]:
    """`lse_i - weighted mean of the positive logits of i`, 0 for anchors without a positive."""
    total = torch.zeros_like(lse).index_add(0, anchor, weight)
    positive = torch.zeros_like(lse).index_add(0, anchor, weight * logits)
    has = total > 0
    return torch.where(has, lse - positive / torch.where(has, total, 1.0), 0.0), has
