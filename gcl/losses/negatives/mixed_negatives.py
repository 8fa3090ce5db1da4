"""All nodes as negatives, and harder ones mixed from the hardest."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_count, check_views
from gcl.losses.negatives.hardest_negatives import hardest
from gcl.ops.multi_view import log_add
from gcl.ops.pairs import pair_dots
from gcl.ops.sparse import row_dots
from gcl.ops.stream_rows import as_vector
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class MixedNegatives:
    r"""Hard negative mixing (MoCHi): all other nodes plus synthetic negatives.

        lse_i = log( sum_{j != i} exp( <q_i, k_j> / tau ) + sum_h exp( <q_i, h> / tau ) )

    From the `num` most similar nodes of every anchor, two kinds of h are made anew in each call
    (torch's global generator) and scaled to unit length:

        h = a n_1 + (1 - a) n_2     a ~ U(0, 1)       `synthetic` an anchor
        h = b q_i + (1 - b) n_1     b ~ U(0, 1/2)     `anchor_synthetic` an anchor

    with n_1, n_2 drawn from these nodes with repetition. No gradient passes through h: the
    synthetic part moves q only. The h are never built: `<q, h>` follows from `<q, n_1>`,
    `<q, n_2>` and `<n_1, n_2>`, and its gradient is a sparse combination of rows of k. Memory is
    O(n (num + synthetic + anchor_synthetic)) numbers.

    Args:
        num: hardest nodes to mix, >= 1; min(1024, n / 10), at least 2, if None.
        synthetic: mixtures of two negatives for every anchor, >= 0.
        anchor_synthetic: mixtures of the anchor and a negative, >= 0; half the anchor at most.

    Start after some epochs of ordinary training: early hard negatives are noise. Where neighbours
    share their class, mixtures of the hardest are often false negatives.

    Shape:
        q, k `[n, d]` with rows of unit length or zero, tau a number, a scalar or `[n]` -> `[n]`.

    Raises:
        TypeError, ValueError: numbers out of range; rows of another length than 1 or 0.

    Reference:
        Kalantidis et al., "Hard Negative Mixing for Contrastive Learning" (MoCHi), NeurIPS 2020.

    Example:
        >>> z = torch.eye(4)
        >>> lse = MixedNegatives(num=1, synthetic=2)(z, z, 1.0)  # copies of one negative
        >>> lse.exp()
        tensor([5., 5., 5., 5.])
    """

    def __init__(self, num: int | None = None, synthetic: int = 150, anchor_synthetic: int = 0):
        if num is not None:
            check_count("MixedNegatives", num=num)
        check_count(
            "MixedNegatives", least=0, synthetic=synthetic, anchor_synthetic=anchor_synthetic
        )
        self.num, self.synthetic, self.anchor_synthetic = num, synthetic, anchor_synthetic

    @outside_graph
    def __call__(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("MixedNegatives", q, k)
        for z in (q, k):
            length = z.detach().float().square().sum(1)
            if bool(((length - 1).abs() > 1e-2).logical_and(length > 1e-12).any()):
                raise ValueError(
                    "MixedNegatives: expected rows of unit length, as similarity='cosine' gives "
                    f"them; got lengths up to {float(length.max().sqrt()):.3g}."
                )
        everyone = streaming_logsumexp(q, k, tau=tau, exclude=True)
        if len(q) < 2 or not self.synthetic + self.anchor_synthetic:
            return everyone
        scores = self._synthetic_scores(q, k)
        tau = as_vector("tau", q, tau)
        return log_add(everyone, (scores / tau.view(-1, 1)).logsumexp(1))

    def _synthetic_scores(self, q: Tensor, k: Tensor) -> Tensor:
        """`<q_i, h>` for the synthetic negatives of every row, `[n, s]`."""
        n, two, one = len(q), self.synthetic, self.anchor_synthetic
        num = min(1024, max(2, n // 10)) if self.num is None else self.num
        dots, cols = hardest(q, k, num)
        # First partners, second partners, partners of the anchor.
        picked = torch.randint(cols.shape[1], (n, 2 * two + one), device=q.device)
        dots, cols = dots.gather(1, picked), cols.gather(1, picked)
        rows = torch.arange(n, device=q.device).repeat_interleave(2 * two + one)
        # Only q is trained: h is a constant, and so is everything but <q, n>.
        scores = pair_dots(q, k.detach(), rows, cols.flatten(), known=dots.flatten())
        scores = scores.view_as(dots)
        square = k.detach().to(dots.dtype).square().sum(1)[cols]

        a = torch.rand(n, two, device=q.device, dtype=dots.dtype)
        first, second = cols[:, :two].flatten(), cols[:, two : 2 * two].flatten()
        between = row_dots(k.detach(), k.detach(), first, second).view(n, two)
        length = a**2 * square[:, :two] + (1 - a) ** 2 * square[:, two : 2 * two]
        length = length + 2 * a * (1 - a) * between
        pairs = (a * scores[:, :two] + (1 - a) * scores[:, two : 2 * two]) * _inverse(length)

        b = torch.rand(n, one, device=q.device, dtype=dots.dtype) / 2
        anchor = q.detach().to(dots.dtype)
        length = b**2 * anchor.square().sum(1, keepdim=True) + (1 - b) ** 2 * square[:, 2 * two :]
        length = length + 2 * b * (1 - b) * dots[:, 2 * two :]
        own = (q * anchor).sum(1, keepdim=True)
        anchored = (b * own + (1 - b) * scores[:, 2 * two :]) * _inverse(length)
        return torch.cat([pairs, anchored], dim=1)

    def __repr__(self) -> str:
        return (
            f"MixedNegatives(num={self.num}, synthetic={self.synthetic}, "
            f"anchor_synthetic={self.anchor_synthetic})"
        )


def _inverse(squared: Tensor) -> Tensor:
    """1 / length; 1 for vectors that vanish, whose scores vanish too."""
    return torch.where(squared > 1e-12, squared, 1.0).rsqrt()
