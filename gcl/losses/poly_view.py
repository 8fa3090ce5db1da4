"""Contrast of more than two views of the same nodes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_positive, check_views
from gcl.losses.softmax import Temperature
from gcl.ops.multi_view import log_add, multi_view_logsumexp
from gcl.ops.ranks import Ranks
from gcl.ops.ranks import rows as gather
from gcl.ops.ring import ring_logsumexp
from gcl.ops.similarity import in_one_type, row_similarity, unit_rows
from gcl.ops.tracing import outside_graph


class PolyView(nn.Module):
    r"""Poly-View contrast: every view of a node against every other one, in O(M N D) memory.

    With M views, `l(a, b) = cos(a, b) / tau`, node i and views a != b,

        neg_ia = sum_{c=1..M} sum_{j != i} e^{l(z^a_i, z^c_j)}
        p_iab  = e^{l(z^a_i, z^b_i)} / ( e^{l(z^a_i, z^b_i)} + neg_ia )

    so the node's remaining views are neither positive nor negative. The loss is the mean over
    nodes and over a of, by `form`,

        "geometric"     - mean_{b != a} log p_iab
        "arithmetic"    - log mean_{b != a} p_iab,  never above the geometric one

    With `rest="mean"` the partner of a view is the mean of the node's other views,

        r^a_i  = unit( sum_{b != a} unit(z^b_i) )
        L_ia   = - l(z^a_i, r^a_i)
                 + log( sum_j e^{l(z^a_i, r^a_j)} + sum_{j != i} e^{l(z^a_i, z^a_j)} ),

    M anchors in place of M (M - 1) pairs; gradients pass through r, and `form` makes no difference.
    Two views give `InfoNCE` in all three cases.

    Args:
        tau: temperature, > 0: a number, a scalar `nn.Parameter`, or a module such as
            `AdaptiveTemperature`, which gets the cosines of all positive pairs.
        form: "geometric" or "arithmetic".
        rest: "each" of the other views, or their "mean".
        reduction: "mean", or "none" for one value a node `[n]`.

    Shape:
        M times `[n, d]` -> scalar, or `[n]`.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, fewer than two views, unequal shapes, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Shidani et al., "Poly-View Contrastive Learning", ICLR 2024. `rest="mean"` follows their
        sufficient statistics; there the statistic is the anchor, here it is the partner, so that
        two views give InfoNCE. A public version of the arithmetic form averages with the wrong
        sign.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(PolyView(tau=0.4)(z, z).item(), 4)  # InfoNCE
        1.0317
        >>> round(PolyView(tau=0.4)(z, z, z, z).item(), 4)  # 44 negatives in place of 22
        1.5286
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        form: Literal["geometric", "arithmetic"] = "geometric",
        rest: Literal["each", "mean"] = "each",
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        if not isinstance(tau, nn.Module):
            check_positive("PolyView", tau=tau)
        check_choice("PolyView", "form", form, ("geometric", "arithmetic"))
        check_choice("PolyView", "rest", rest, ("each", "mean"))
        check_choice("PolyView", "reduction", reduction, ("mean", "none"))
        self.tau, self.form, self.rest, self.reduction = tau, form, rest, reduction

    @outside_graph
    def forward(self, *views: Float[Tensor, "n d"]) -> Tensor:
        return self._loss(views, None)

    def across(self, together: Ranks, *views: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`."""
        return self._loss(views, together)

    def _loss(self, views: tuple[Tensor, ...], together: Ranks | None) -> Tensor:
        if len(views) < 2:
            raise ValueError(f"PolyView: expected at least two views, got {len(views)}.")
        for view in views[1:]:
            check_views("PolyView", views[0], view)
        n = len(views[0]) if together is None else together.total
        if n == 1:
            warnings.warn("PolyView: one row has no negatives, so the loss is 0.", stacklevel=3)
        with torch.autocast(views[0].device.type, enabled=False):
            rows = [unit_rows(z) for z in views]
            compare = self._means if self.rest == "mean" else self._pairs
            sides = [self._value(pos, neg) for pos, neg in compare(rows, together)]
            each = torch.stack(sides).mean(0)
            if together is not None:
                # Every rank makes the same of the same numbers: all of the loss, not a part.
                each = each / together.size
            return each if self.reduction == "none" else each.sum() / max(n, 1)

    def _pairs(self, rows: list[Tensor], together: Ranks | None) -> list[tuple[Tensor, Tensor]]:
        """For every view its positive logits `[M - 1, n]` and log neg `[n]`."""
        views = range(len(rows))
        cosine = {(a, b): _cosine(rows[a], rows[b], together) for a in views for b in views[:a]}
        tau = self._temperature(list(cosine.values()))
        negatives = _denominators(rows, tau, together)
        positives = [
            torch.stack([cosine[max(a, b), min(a, b)] for b in views if b != a]) / tau
            for a in views
        ]
        return list(zip(positives, negatives, strict=True))

    def _means(self, rows: list[Tensor], together: Ranks | None) -> list[tuple[Tensor, Tensor]]:
        """The same with one positive a view, `[1, n]`."""
        # Summed without the view itself: taking it off the total would leave rounding errors,
        # as long as a unit row, where the others cancel.
        means = [unit_rows(reduce(torch.add, rows[:a] + rows[a + 1 :])) for a in range(len(rows))]
        cosines = [_cosine(u, r, together) for u, r in zip(rows, means, strict=True)]
        tau = self._temperature(cosines)
        return [
            (cosine[None] / tau, _denominators((u, r), tau, together)[0])
            for u, r, cosine in zip(rows, means, cosines, strict=True)
        ]

    def _value(self, positive: Tensor, negative: Tensor) -> Tensor:
        log_p = positive - log_add(positive, negative)
        if self.form == "geometric":
            return -log_p.mean(0)
        return math.log(len(log_p)) - log_p.logsumexp(0)

    def _temperature(self, cosines: list[Tensor]) -> Tensor | float:
        return self.tau(torch.cat(cosines)) if isinstance(self.tau, nn.Module) else self.tau

    def extra_repr(self) -> str:
        number = self.tau.item() if isinstance(self.tau, Tensor) else self.tau
        tau = "" if isinstance(number, nn.Module) else f"tau={number:g}, "
        return f"{tau}form={self.form!r}, rest={self.rest!r}"


def _cosine(u: Tensor, v: Tensor, together: Ranks | None) -> Tensor:
    """Of rows i of unit length, of all ranks."""
    own = row_similarity(u, v, "cosine")
    return own if together is None else gather(own, together)


def _denominators(
    views: Sequence[Tensor], tau: Tensor | float, together: Ranks | None
) -> list[Tensor]:
    """Of the anchors of all ranks."""
    if together is None:
        return multi_view_logsumexp(views, tau)
    return [gather(lse, together) for lse in ring_logsumexp(in_one_type(*views), tau, together)]
