"""Pairwise sigmoid loss: every pair of rows is a yes-or-no question of its own."""

from __future__ import annotations

import math
import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from gcl.checks import check_positive, check_real, check_views
from gcl.ops.pairs import known_pairs
from gcl.ops.similarity import row_similarity, unit_rows
from gcl.ops.streaming import streaming_softplus
from gcl.ops.tracing import outside_graph


class Sigmoid(nn.Module):
    r"""SigLIP's pairwise sigmoid loss, exact in O(N D) memory.

    With the logit `l(a, b) = t cos(a, b) + b0`, learned scale t and bias b0,

        L = 1/N sum_i [ softplus(-l(z1_i, z2_i)) + sum_{j != i} softplus(l(z1_i, z2_j)) ]

    `intra` adds `sum_{j != i} softplus(l(z1_i, z1_j))`, mean over both views. The sum over the
    pairs of two views is the same from both sides, so the loss has no direction.

    With `pos_edge_index` the pairs (i in z1, j in z2) that it lists, and only those, have the label
    "yes", so list (i, i) too if it shall be one. Repeated pairs count once. Pairs of the same view
    stay negatives.

    Args:
        t_init: first scale, > 0. What is learned is `log_t = log t`.
        bias_init: first bias b0. None starts balanced, `b0 = bias - log M` with M negatives an
            anchor in the batch at hand, n - 1 or 2 (n - 1) with `intra`, and a learned `bias` that
            starts at 0: the start is balanced for any batch size and nothing has to be set before
            the first step or loaded in a special way.
        intra: the other rows of the same view are negatives too.

    The two learned scalars `log_t` and `bias` are best trained without weight decay.

    Shape:
        z1, z2 `[n, d]`, pos_edge_index `[2, p]` -> scalar.

    One row alone has no negatives: the loss is 0, with a warning.

    Raises:
        ValueError: t_init <= 0, unequal shapes, positives out of range, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023. The paper starts at
        b0 = -10, which fits about 22,000 negatives; `bias_init=-10.0` is the paper's.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(Sigmoid()(z, z).item(), 4)  # the 11 negatives: 11 log(1 + 1/11)
        0.9576
    """

    def __init__(
        self,
        t_init: float = 10.0,
        *,
        bias_init: float | None = None,
        intra: bool = False,
    ):
        super().__init__()
        check_positive("Sigmoid", t_init=t_init)
        if bias_init is not None:
            check_real("Sigmoid", bias_init=bias_init)
        if bias_init is not None and not math.isfinite(bias_init):
            raise ValueError(f"Sigmoid: bias_init must be a finite number, got {bias_init}.")
        self.log_t = nn.Parameter(torch.tensor(math.log(t_init)))
        self.bias = nn.Parameter(torch.tensor(0.0 if bias_init is None else float(bias_init)))
        self.balanced, self.intra = bias_init is None, intra

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        pos_edge_index: Int[Tensor, "2 p"] | None = None,
    ) -> Tensor:
        check_views("Sigmoid", z1, z2)
        if pos_edge_index is not None:
            known_pairs("Sigmoid", pos_edge_index, None, len(z1))
        u, v = unit_rows(z1), unit_rows(z2)
        n = len(u)
        if n < 2:
            if n == 1:
                warnings.warn("Sigmoid: one row has no negatives, so the loss is 0.", stacklevel=2)
            return 0 * (u.sum() + v.sum())
        with torch.autocast(z1.device.type, enabled=False):
            t, bias = self.log_t.to(u.dtype).exp(), self.bias.to(u.dtype)
            if self.balanced:
                bias = bias - math.log((n - 1) * (2 if self.intra else 1))

            def negatives(q: Tensor, k: Tensor, exclude: bool) -> Tensor:
                return streaming_softplus(q, k, scale=t, bias=bias, exclude=exclude).sum()

            if pos_edge_index is None:
                positive = softplus(-t * row_similarity(u, v, "cosine") - bias).sum()
                total = positive + negatives(u, v, exclude=True)
            else:
                first, second = pos_edge_index.unique(dim=1)
                logits = t * row_similarity(u[first], v[second], "cosine") + bias
                # softplus(l) - l = softplus(-l): a "no" turned into a "yes"
                total = negatives(u, v, exclude=False) - logits.sum()
            if self.intra:
                same = negatives(u, u, exclude=True) + negatives(v, v, exclude=True)
                total = total + same / 2
            return total / n

    def extra_repr(self) -> str:
        start = ", balanced" if self.balanced else ""
        t, bias = self.log_t.exp().item(), self.bias.item()
        return f"t={t:g}, bias={bias:g}, intra={self.intra}{start}"
