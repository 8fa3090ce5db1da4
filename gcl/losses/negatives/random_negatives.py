"""A random sample of the nodes as negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_count, check_views
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class RandomNegatives:
    r"""A few random nodes, the same for all anchors of a call: O(n num d) operations.

        lse_i = log sum_{j in S, j != i} exp( <q_i, k_j> / tau ),   |S| = num

    One draw S for all makes it one dense product. Every call draws anew (torch's global
    generator), so a loss with both directions and `intra` draws four times.

    Args:
        num: nodes drawn, >= 1; n - 1 or more takes all.
        rescale: add `log((n - 1) / |S \ {i}|)`, so that the sum estimates that over all nodes.

    Shape:
        q, k `[n, d]`, tau a number, a scalar or `[n]` -> `[n]`; -inf where the only node drawn is
        the anchor itself.

    Raises:
        TypeError, ValueError: num is not a whole number of at least 1; bad input.

    Example:
        >>> z = torch.eye(8)
        >>> lse = RandomNegatives(3, rescale=True)(z, z, 0.5)
        >>> torch.allclose(lse.exp(), torch.tensor(7.0))  # all 7 others have logit 0
        True
    """

    def __init__(self, num: int, *, rescale: bool = False):
        check_count("RandomNegatives", num=num)
        self.num, self.rescale = num, rescale

    @outside_graph
    def __call__(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("RandomNegatives", q, k)
        n = len(q)
        if self.num >= n - 1:
            return streaming_logsumexp(q, k, tau=tau, exclude=True)
        drawn = torch.randperm(n, device=q.device)[: self.num]
        # Where the anchor's own node stands among the drawn ones.
        own = torch.full((n,), -1, device=q.device)
        own[drawn] = torch.arange(self.num, device=q.device)
        lse = streaming_logsumexp(q, k[drawn], tau=tau, exclude=own)
        if self.rescale:
            others = self.num - (own >= 0).to(lse.dtype)
            lse = lse + torch.where(others > 0, (n - 1) / others, 1.0).log()
        return lse

    def __repr__(self) -> str:
        return f"RandomNegatives({self.num}, rescale={self.rescale})"
