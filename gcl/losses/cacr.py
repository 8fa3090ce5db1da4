"""Contrastive attraction and repulsion: far positives and near negatives weigh most."""

from __future__ import annotations

import warnings
from itertools import permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.utils import softmax

from gcl.checks import check_positive, check_real, check_views
from gcl.ops.pairs import known_pairs
from gcl.ops.similarity import row_similarity, unit_rows
from gcl.ops.streaming import streaming_softmax_mean
from gcl.ops.tracing import outside_graph


class CACR(nn.Module):
    r"""Doubly contrastive: weights inside the positives and inside the negatives of an anchor.

    With the cost `c(a, b) = 2 - 2 cos(a, b)`, the squared distance on the sphere, and view x of
    node i as anchor,

        attraction = alpha sum_p softmax_p( t_pos c_ip ) c_ip       over its positives p
        repulsion  = - beta sum_{j != i} softmax_j( -t_neg c_ij ) c_ij       in each other view

    L is the mean of the first over anchors plus the mean of the second over anchors and pairs of
    views, exact in O(K N D) memory. Positives are the K - 1 other views of the node; with two
    views their weight is 1. `pos_edge_index` lists others: node i in one view and node j in a later
    one, and only those, so list (i, i) too if it shall be one. That makes neighbours positives
    among which the farthest pull most. All j != i stay in the repulsion.

    Args:
        alpha: strength of the attraction, > 0.
        beta: strength of the repulsion, > 0.
        t_pos: sharpness of the weights of positives, > 0.
        t_neg: sharpness of the weights of negatives, > 0; images: 0.9 to 2.
        tau_plus: share of false negatives, in [0, 1); images: 0.1. The repulsion becomes
            `(repulsion + tau_plus beta c_ii) / (1 - tau_plus)`: the pair of the node itself stands
            for the false ones and their part is taken out.
        detach_weights: no gradient through the two softmaxes.

    Shape:
        K >= 2 views `[n, d]`, pos_edge_index `[2, p]` -> scalar.

    Anchors without a positive are left out of the attraction. One row alone has no negatives: the
    loss is 0, with a warning.

    Raises:
        ValueError: fewer than two views, unequal shapes, a number outside its range, positives
            out of range, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Zheng et al., "Contrastive Attraction and Contrastive Repulsion for Representation
        Learning", TMLR 2023. Their code stores costs with a minus sign, so that its debiased form
        reads `-tau_plus c_ii`.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(CACR()(z, z).item(), 4)  # positives at distance 0, negatives at 2
        -2.0
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        *,
        t_pos: float = 1.0,
        t_neg: float = 0.9,
        tau_plus: float = 0.0,
        detach_weights: bool = False,
    ):
        super().__init__()
        check_positive("CACR", alpha=alpha, beta=beta, t_pos=t_pos, t_neg=t_neg)
        check_real("CACR", tau_plus=tau_plus)
        if not 0 <= tau_plus < 1:
            raise ValueError(f"CACR: tau_plus must lie in [0, 1), got {tau_plus}.")
        self.alpha, self.beta, self.t_pos, self.t_neg = alpha, beta, t_pos, t_neg
        self.tau_plus, self.detach_weights = tau_plus, detach_weights

    @outside_graph
    def forward(
        self, *views: Float[Tensor, "n d"], pos_edge_index: Int[Tensor, "2 p"] | None = None
    ) -> Tensor:
        if len(views) < 2:
            raise ValueError(f"CACR: expected at least 2 views, got {len(views)}.")
        for view in views:
            check_views("CACR", views[0], view)
        n, device = len(views[0]), views[0].device
        z = [unit_rows(view) for view in views]
        if pos_edge_index is None:
            pos_edge_index = torch.arange(n, device=device).repeat(2, 1)
        else:
            known_pairs("CACR", pos_edge_index, None, n)
        if n < 2:
            if n == 1:
                warnings.warn("CACR: one row has no negatives, so the loss is 0.", stacklevel=2)
            return 0 * torch.cat(z).sum()
        with torch.autocast(device.type, enabled=False):
            pull = [self._attraction(z, a, pos_edge_index) for a in range(len(z))]
            push = [self._repulsion(q, k) for q, k in permutations(z, 2)]
            return torch.stack(pull).mean() + torch.stack(push).mean()

    def _attraction(self, z: list[Tensor], a: int, pairs: Tensor) -> Tensor:
        """Mean over the anchors in view a."""
        anchors, costs = [], []
        for b, other in enumerate(z):
            if b != a:
                here, there = pairs if a < b else pairs.flip(0)
                anchors.append(here)
                costs.append(2 - 2 * row_similarity(z[a][here], other[there], "cosine"))
        anchor, cost = torch.cat(anchors), torch.cat(costs)
        weight = softmax(self.t_pos * cost, anchor, num_nodes=len(z[a]))
        if self.detach_weights:
            weight = weight.detach()
        return self.alpha * (weight * cost).sum() / max(anchor.unique().numel(), 1)

    def _repulsion(self, q: Tensor, k: Tensor) -> Tensor:
        """Mean over the anchors in q, against the other rows of k."""
        # softmax(-t c) = softmax(2 t cos)
        near = streaming_softmax_mean(
            q, k, tau=1 / (2 * self.t_neg), exclude=True,
            detach_weights=self.detach_weights,
        )  # fmt: skip
        push = -self.beta * (2 - 2 * near)
        if self.tau_plus:
            own = 2 - 2 * row_similarity(q, k, "cosine")
            push = (push + self.tau_plus * self.beta * own) / (1 - self.tau_plus)
        return push.mean()

    def extra_repr(self) -> str:
        return (
            f"alpha={self.alpha:g}, beta={self.beta:g}, t_pos={self.t_pos:g}, "
            f"t_neg={self.t_neg:g}, tau_plus={self.tau_plus:g}"
        )
