"""The most similar nodes as negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_count, check_views
from gcl.ops.pairs import pair_dots
from gcl.ops.similarity import in_one_type
from gcl.ops.stream_rows import as_vector
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph


class HardestNegatives:
    """Only the most similar other nodes of every anchor.

        lse_i = log sum_{j in H_i} exp( <q_i, k_j> / tau ),
        H_i   = the `num` largest <q_i, k_j>, j != i, after the `skip` very largest

    The search streams over chunks of anchors without gradient, always in full precision; gradients
    flow through the chosen pairs only. Memory O(n num). On graphs where neighbours share their
    class the very largest are often false negatives: `skip` leaves them out.

    Args:
        num: negatives of an anchor among the rows of k, >= 1; more than there are takes all. A loss
            with `intra` asks twice, for each view.
        skip: the largest ones to leave out, >= 0.

    Shape:
        q, k `[n, d]`, tau a number, a scalar or `[n]` -> `[n]`; -inf for n - 1 <= skip.

    Raises:
        TypeError, ValueError: num or skip out of range; bad input.

    Example:
        >>> z = torch.tensor([[1.0], [2.0], [3.0]])
        >>> HardestNegatives(1)(z, z, 1.0)
        tensor([3., 6., 6.])
    """

    def __init__(self, num: int, *, skip: int = 0):
        check_count("HardestNegatives", num=num)
        check_count("HardestNegatives", least=0, skip=skip)
        self.num, self.skip = num, skip

    @outside_graph
    def __call__(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("HardestNegatives", q, k)
        dots, cols = hardest(q, k, self.skip + self.num)
        dots, cols = dots[:, self.skip :], cols[:, self.skip :]
        n, chosen = cols.shape
        if not n or not chosen:
            return dots.new_full((n,), -torch.inf)
        rows = torch.arange(n, device=q.device).repeat_interleave(chosen)
        pairs = pair_dots(q, k, rows, cols.flatten(), known=dots.flatten()).view(n, chosen)
        tau = as_vector("tau", q, tau)
        return (pairs / tau.view(-1, 1)).logsumexp(1)

    def __repr__(self) -> str:
        return f"HardestNegatives({self.num}, skip={self.skip})"


@torch.no_grad()
def hardest(
    q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], num: int
) -> tuple[Float[Tensor, "n h"], Int[Tensor, "n h"]]:
    """The largest `<q_i, k_j>`, j != i, of every row, falling, and their j; no gradient.

    Shape:
        q, k `[n, d]` -> two `[n, h]` with h = min(num, n - 1).
    """
    q, k = in_one_type(q, k)
    n, num = len(q), min(num, max(0, len(q) - 1))
    dots, cols = q.new_empty(n, num), torch.empty(n, num, dtype=torch.long, device=q.device)
    # Chunks of about 4 MB on CPU, of enough rows for the product to be fast. Always in full
    # precision: rounding must not decide which row is harder.
    chunk = current_tiling().tile or max(
        64, (1 << (20 if q.device.type == "cpu" else 26)) // max(1, n)
    )
    with torch.autocast(q.device.type, enabled=False):
        for start in range(0, n, chunk):
            rows = slice(start, min(start + chunk, n))
            tile = q[rows] @ k.t()
            tile.diagonal(start).fill_(-torch.inf)
            dots[rows], cols[rows] = tile.topk(num, dim=1)
    return dots, cols
