"""InfoNCE between two views of the same nodes."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_choice, check_real
from gcl.losses.softmax import Negatives, Rule, SoftmaxLoss, Temperature
from gcl.ops.multi_view import log_add
from gcl.ops.pairs import known_pairs, pair_dots, segment_logsumexp
from gcl.ops.ranks import Ranks
from gcl.ops.similarity import Similarity, as_products, row_similarity
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph


class InfoNCE(SoftmaxLoss):
    r"""InfoNCE (NT-Xent in GRACE's form), exact in O(N D) memory.

    With `l(a, b) = cos(a, b) / tau`, the anchor `z1_i` contributes

        L_i = - l(z1_i, z2_i) + log( sum_j exp l(z1_i, z2_j) + sum_{j != i} exp l(z1_i, z1_j) )

    and the loss is the mean over anchors, then over both directions (z1 -> z2, z2 -> z1).
    The second sum (`intra`) are the negatives of the same view.

    With `pos_edge_index` the positives are pairs (i in z1, j in z2) with weights w, and only those,
    so list (i, i) too if it shall be one. All pairs of the same view stay negatives, also those of
    a positive's node (`intra=False` leaves them out). The first term becomes, by `positives`,

        "out"   sum_p w_p l_ip / sum_p w_p                   SupCon's outer form, soft positives
        "in"    log( sum_p w_p exp l_ip / sum_p w_p )        SupCon's inner form
        "sum"   log( sum_p w_p exp l_ip )                    HeCo's form

    Args:
        tau: temperature, > 0: a number, a scalar `nn.Parameter` that is then learned, or a module
            such as `AdaptiveTemperature`.
        margin: makes positives harder: `s - margin` if "additive", `cos(angle + margin)` if
            "angular", in the first term and in the sum alike; >= 0.
        margin_form: "additive" or "angular" (cosine only; beyond pi the usual
            `s - margin * sin(margin)`).
        positives: "out", "in" or "sum".
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        similarity: "cosine", "dot", or "neg_sq_euclidean", `-||a - b||^2` of the rows as they are.
        negatives: which rows are negatives, e.g. `HardestNegatives(50)`; all others if None.
        log_weight: weights of the negatives, a `LogWeight` or a module that makes one.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]`, pos_edge_index `[2, p]`, pos_weight `[p]` -> scalar, or `[n]`.

    Rows without a positive are left out of the mean; if none is left, the result is a zero that
    keeps the graph. One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: tau <= 0, unequal shapes, positives out of range, an unknown option.
        TypeError: not floating-point input.

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018;
        Zhu et al., "Deep Graph Contrastive Representation Learning" (GRACE), ICML GRL+ 2020;
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (several positives);
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning" (HeCo), KDD 2021; Srinivasa et al., "CWCL: Cross-Modal Transfer with Continuously
        Weighted Contrastive Loss", NeurIPS 2023 (soft positives).
        GRACE's code subtracts the diagonal after exponentiating; here it is masked, which keeps
        small tau exact.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(InfoNCE(tau=0.4)(z, z).item(), 4)
        1.0317
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        margin: float = 0.0,
        margin_form: Literal["additive", "angular"] = "additive",
        positives: Literal["out", "in", "sum"] = "out",
        intra: bool = True,
        symmetric: bool = True,
        similarity: Similarity = "cosine",
        negatives: Negatives | None = None,
        log_weight: Rule | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__(
            tau,
            intra=intra,
            symmetric=symmetric,
            similarity=similarity,
            negatives=negatives,
            log_weight=log_weight,
            reduction=reduction,
        )
        check_choice("InfoNCE", "margin_form", margin_form, ("additive", "angular"))
        check_choice("InfoNCE", "positives", positives, ("out", "in", "sum"))
        most = math.pi if margin_form == "angular" else math.inf
        check_real("InfoNCE", margin=margin)
        if not 0 <= margin < most:
            raise ValueError(
                f"InfoNCE: margin must be a number of at least 0 (and an angle below pi), got "
                f"{margin}."
            )
        if margin and margin_form == "angular" and self.similarity != "cosine":
            raise ValueError("InfoNCE: an angular margin needs similarity='cosine'.")
        self.margin, self.margin_form, self.positives = margin, margin_form, positives

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        pos_edge_index: Int[Tensor, "2 p"] | None = None,
        pos_weight: Float[Tensor, " p"] | None = None,
    ) -> Tensor:
        if pos_edge_index is None:
            if pos_weight is not None:
                raise ValueError("InfoNCE: pos_weight needs pos_edge_index, the pairs it weighs.")
            return super().forward(z1, z2)
        u, v = self.rows(z1, z2)
        known_pairs("InfoNCE", pos_edge_index, pos_weight, len(u))
        if self.margin:
            raise ValueError("InfoNCE: margin goes with the node's own pair, not pos_edge_index.")
        with torch.autocast(z1.device.type, enabled=False):
            first, second = pos_edge_index
            similarity = self._pair_similarity(u, v, first, second)
            tau = self.temperature(similarity)
            weight = torch.ones_like(similarity) if pos_weight is None else pos_weight.to(u.dtype)
            sides = []
            ends = (first, second) if self.symmetric else (first,)
            for anchor, lse in zip(ends, self.denominators(u, v, tau, exclude=False), strict=True):
                positive, has = self._positive(similarity / tau, weight, anchor, len(u))
                has = has & (lse != -torch.inf)
                sides.append((lse.masked_fill(~has, 0.0) - positive, has))
            return self.reduce(sides)

    def across(
        self,
        together: Ranks,
        z1: Tensor,
        z2: Tensor,
        pos_edge_index: Tensor | None = None,
        pos_weight: Tensor | None = None,
    ) -> Tensor:
        """As in `SoftmaxLoss`; with listed positives `NotImplemented`."""
        if pos_edge_index is not None or pos_weight is not None:
            return NotImplemented
        return super().across(together, z1, z2)

    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        positive = self._with_margin(similarity) / tau
        # Without a negative the sum is the positive alone: 0.
        value = log_add(positive, negative) - positive
        return value, torch.ones_like(value, dtype=torch.bool)

    def _with_margin(self, s: Tensor) -> Tensor:
        m = self.margin
        if m == 0:
            return s
        if self.margin_form == "additive":
            return s - m
        s = s.clamp(-1 + 1e-6, 1 - 1e-6)
        angle = torch.acos(s)
        return torch.where(angle + m <= math.pi, torch.cos(angle + m), s - m * math.sin(m))

    def _pair_similarity(self, u: Tensor, v: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        if current_tiling().implementation == "dense":
            return row_similarity(u[rows], v[cols], self.similarity)
        anchors, others = as_products((u, v), self.similarity)
        dots = pair_dots(anchors.left, others.right, rows, cols)
        return dots if anchors.constant is None else dots + anchors.constant[rows]

    def _positive(
        self, logits: Tensor, weight: Tensor, anchor: Tensor, rows: int
    ) -> tuple[Tensor, Tensor]:
        """The first term of every anchor, 0 where it has no positive, and where it has one."""
        total = weight.new_zeros(rows).index_add(0, anchor, weight)
        has = total > 0
        safe = torch.where(has, total, 1.0)
        if self.positives == "out":
            mean = weight.new_zeros(rows).index_add(0, anchor, weight * logits) / safe
            return torch.where(has, mean, 0.0), has
        value = segment_logsumexp(logits, anchor, rows, weight)
        has = has & (value != -torch.inf)
        value = value.masked_fill(~has, 0.0)
        value = value - safe.log() if self.positives == "in" else value
        return value.masked_fill(~has, 0.0), has
