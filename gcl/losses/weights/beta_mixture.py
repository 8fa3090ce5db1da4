"""Two beta distributions of similarities: false negatives and true ones."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gcl.checks import check_columns, check_count
from gcl.losses.weights.rules import rank_one
from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.structure import remember

# Scaled similarities are kept this far from 0 and 1, where logarithms end.
EDGE = 1e-4


@torch.no_grad()
def fit_beta_mixture(
    s: Float[Tensor, " n"], *, share: float = 0.05, iterations: int = 10
) -> Float[Tensor, 5]:
    r"""A mixture of two beta distributions, by EM with moments in place of likelihoods.

        p(s) = w Beta(s; a0, b0) + (1 - w) Beta(s; a1, b1)

    From Beta(1, 2) and Beta(2, 1), each step weighs the numbers by their memberships and takes
    a and b from the weighted mean m and variance v: `a = m (m (1 - m) / v - 1)`,
    `b = a (1 - m) / m`. Beta 0 is the one of the lower mean.

    Args:
        s: numbers in [0, 1]; moved to at least 1e-4 from both ends.
        share: 1 - w at the start, in (0, 1).
        iterations: of EM, >= 1.

    Shape:
        s `[n]` -> `(w, a0, b0, a1, b1)`, float64.

    Raises:
        ValueError: no numbers, numbers outside [0, 1], options out of range.

    Reference:
        Xia et al., "ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning", ICML
        2022. Their code lifts b1 alone to 1.01, which moves the mean of Beta 1 and keeps EM from
        mixtures whose parts are well apart; here both a and b grow, and the mean stays.

    Example:
        >>> s = torch.cat([torch.linspace(0.1, 0.4, 90), torch.linspace(0.8, 0.9, 10)])
        >>> w, a0, b0, a1, b1 = fit_beta_mixture(s, iterations=50).tolist()
        >>> round(w, 2), round(a0 / (a0 + b0), 2), round(a1 / (a1 + b1), 2)
        (0.9, 0.25, 0.85)
    """
    check_count("fit_beta_mixture", iterations=iterations)
    if not 0 < share < 1:
        raise ValueError(f"fit_beta_mixture: share must lie in (0, 1), got {share}.")
    if s.dim() != 1 or not len(s) or not bool(((s >= 0) & (s <= 1)).all()):
        raise ValueError(
            f"fit_beta_mixture: expected numbers [n] in [0, 1], n >= 1, got shape {list(s.shape)} "
            "or numbers outside."
        )
    s = s.double().clamp(EDGE, 1 - EDGE)
    a, b = s.new_tensor([1.0, 2.0]), s.new_tensor([2.0, 1.0])
    w = s.new_tensor([1 - share, share])
    logs = torch.stack([s.log(), (-s).log1p()])
    for _ in range(iterations):
        density = (a - 1)[:, None] * logs[0] + (b - 1)[:, None] * logs[1] - _log_beta(a, b)[:, None]
        member = (w.log()[:, None] + density).softmax(0)
        total = member.sum(1).clamp(min=torch.finfo(s.dtype).tiny)
        mean = (member @ s / total).clamp(EDGE, 1 - EDGE)
        spread = (member * (s - mean[:, None]).square()).sum(1) / total
        # A spread of 0 is a point and of m (1 - m) two points: neither is a beta distribution.
        most = mean * (1 - mean)
        precision = most / torch.minimum(spread.clamp(min=1e-8), (1 - 1e-4) * most) - 1
        # The same mean with one mode: a pole at an end would take all numbers near it.
        precision = torch.maximum(precision, 1.01 / torch.minimum(mean, 1 - mean))
        a, b = mean * precision, (1 - mean) * precision
        w = (total / total.sum()).clamp(1e-12, 1)
    order = [0, 1] if bool(a[0] / (a[0] + b[0]) <= a[1] / (a[1] + b[1])) else [1, 0]
    a, b, w = a[order], b[order], w[order]
    return torch.stack([w[0], a[0], b[0], a[1], b[1]])


def mixture_weights(
    q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], mixture: Float[Tensor, 5]
) -> LogWeight:
    r"""ProGCL's weights of negatives: hard ones count more, as far as they are true.

        s_ij = (<q_i, k_j> + 1) / 2
        B_ij = s_ij w Beta(s_ij; a0, b0) / p(s_ij)
        W_ij = B_ij / mean_{l != i} B_il

    A rule for tiles: no n x n array, only the five numbers and the rows. The weights are constants,
    no gradient reaches the rows through them. Making the rule costs one pass over all pairs.

    Args:
        q: unit rows of the anchors.
        k: unit rows of the negatives; k_i is not a negative of q_i.
        mixture: from `fit_beta_mixture`.

    Shape:
        q, k `[n, d]` -> a rule for `[n, n]`.

    Raises:
        TypeError, ValueError: not floating-point matrices of one width; not five numbers.

    Reference:
        Xia et al., ICML 2022. Their B is computed once, stored for all pairs in float64 and kept
        while the embeddings move on; here the mixture is kept and B follows the embeddings.

    Example:
        >>> z = torch.eye(3)
        >>> rule = mixture_weights(z, z, torch.tensor([0.9, 2.0, 5.0, 5.0, 2.0]))
        >>> rule(slice(0, 1), slice(1, 3)).exp()  # equal similarities: weights of mean 1
        tensor([[1., 1.]])
    """
    check_columns("mixture_weights", q, k)
    if mixture.shape != (5,):
        raise ValueError(f"mixture_weights: expected five numbers, got {list(mixture.shape)}.")
    w, a0, b0, a1, b1 = remember(mixture, ("numbers",), mixture.double().tolist)
    rule = _MixtureRule(a0, b0, a1, b1, w)
    made = LogWeight(rule, q.detach(), k.detach(), bound=rule.bound(), shape=(len(q), len(k)))
    nothing = q.new_zeros(len(q), 1)
    with torch.no_grad():
        total = streaming_logsumexp(nothing, nothing, tau=1.0, exclude=True, log_weight=made)
    mean = total - math.log(max(1, len(q) - 1))
    return made + rank_one(torch.where(mean.isfinite(), -mean, 0.0), torch.zeros_like(mean))


class _MixtureRule:
    """`log B_ij`: the posterior is the logistic function of a sum of two logarithms of s."""

    def __init__(self, a0: float, b0: float, a1: float, b1: float, w: float):
        self.near, self.far = a0 - a1, b0 - b1
        self.offset = (
            math.log(max(w, 1e-12) / max(1 - w, 1e-12))
            - (math.lgamma(a0) + math.lgamma(b0) - math.lgamma(a0 + b0))
            + (math.lgamma(a1) + math.lgamma(b1) - math.lgamma(a1 + b1))
        )

    def bound(self) -> float:
        """No abs(log B) is above this."""
        largest = -math.log(EDGE)
        odds = abs(self.offset) + (abs(self.near) + abs(self.far)) * largest
        return odds + math.log(2) + largest

    def __call__(self, rows: slice, cols: slice, q: Tensor, k: Tensor) -> Tensor:
        s = (q[rows] @ k[cols].t()).add_(1).div_(2).clamp_(EDGE, 1 - EDGE)
        near = s.log()
        odds = (-s).log1p_().mul_(self.far).add_(near, alpha=self.near).add_(self.offset)
        return logsigmoid(odds).add_(near)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
