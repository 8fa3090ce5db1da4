"""Soft positives: pairs of nodes that are known to be alike attract each other by degrees."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.losses.infonce import InfoNCE
from gcl.losses.softmax import Rule, Temperature
from gcl.ops.multi_view import sharing_kept_powers
from gcl.ops.similarity import Similarity
from gcl.ops.tracing import outside_graph


class CWCL(nn.Module):
    r"""Continuously weighted contrast between two views, O(N D + P) memory.

    With `l_ij = cos(z1_i, z2_j) / tau` and the weights w of the pairs (i in z1, j in z2) that
    `pos_edge_index` lists,

        z1 -> z2    - 1/N sum_i sum_j (w_ij / sum_k w_ik) log softmax_j(l_i:)_j
        z2 -> z1    - 1/N sum_j log softmax_i(l_:j)_j                          (InfoNCE)

    and the loss is the mean of the two. Candidates are the rows of the other view only.
    Identity weights, or no `pos_edge_index`, give `InfoNCE(intra=False)`.

    Weights come from something fixed, not from the embeddings: `AddSoftPositives` writes those of
    the raw features. List (i, i) too, with weight 1.

    Args:
        tau: temperature, > 0: a number, an `nn.Parameter`, or a module (called once a direction,
            with the cosines of its positives).
        similarity: "cosine", "dot", or "neg_sq_euclidean", `-||a - b||^2` of the rows as they are.
        log_weight: weights of the negatives, a `LogWeight` or a module that makes one.
        reduction: "mean", or "none" for one value an anchor `[n]`.

    Shape:
        z1, z2 `[n, d]`, pos_edge_index `[2, p]`, pos_weight `[p]` (1 if None) -> scalar, or `[n]`.

    Rows without a positive are left out of the mean of the first direction.

    Raises:
        ValueError: tau <= 0, unequal shapes, positives out of range.
        TypeError: not floating-point input.

    Reference:
        Srinivasa et al., "CWCL: Cross-Modal Transfer with Continuously Weighted Contrastive Loss",
        NeurIPS 2023. They weigh all pairs by (1 + cos) / 2, which gives unrelated nodes half the
        weight of equal ones and drowns the positives of a large graph; here weights are sparse.

    Example:
        >>> import torch
        >>> z = torch.eye(12, 16)
        >>> alike = torch.arange(12).repeat(2, 1)
        >>> round(CWCL(tau=0.4)(z, z, alike, torch.ones(12)).item(), 4)
        0.6434
    """

    def __init__(
        self,
        tau: Temperature = 0.4,
        *,
        similarity: Similarity = "cosine",
        log_weight: Rule | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        self.one_way = InfoNCE(
            tau,
            intra=False,
            symmetric=False,
            positives="out",
            similarity=similarity,
            log_weight=log_weight,
            reduction=reduction,
        )

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        pos_edge_index: Int[Tensor, "2 p"] | None = None,
        pos_weight: Float[Tensor, " p"] | None = None,
    ) -> Tensor:
        with sharing_kept_powers(2):
            soft = self.one_way(z1, z2, pos_edge_index, pos_weight)
            return (soft + self.one_way(z2, z1)) / 2
