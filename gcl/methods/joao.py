"""JOAO: augmentations that are drawn as often as they are hard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gcl.losses.checks import check_positive
from gcl.methods.base import Method
from gcl.methods.two_view import TwoView
from gcl.typing import Graph, Transform


class JOAO(Method):
    r"""Two-view contrast whose second view is drawn from a pool with learned probabilities.

        min over the encoder, max over p:   sum_k p_k l_k - gamma / 2 sum_k (p_k - 1/K)^2

    with l_k the loss of augmentation k. After every step
    `p <- P( p + lr (l - gamma (p - 1/K)) )`, P the projection onto the probability simplex: hard
    augmentations are drawn more often. Of l_k the value at its last draw is known; an augmentation
    not drawn so far counts as the mean of the others.

    Args:
        contrast: what is trained; its first view stays, its second is replaced.
        pool: the augmentations, at least one.
        lr: step length of the probabilities, > 0.
        gamma: pull to the uniform distribution, >= 0. The authors try 0.01, 0.1 and 1.

    The probabilities and losses (`chances`, `last`) are buffers and so in checkpoints.

    Raises:
        ValueError: an empty pool, lr or gamma out of range.

    Reference:
        You et al., "Graph Contrastive Learning Automated", ICML 2021. They update once an epoch,
        with step length 1, from losses of all augmentations on the same batches, and choose a
        pair; here the steps are smaller and more frequent, and one view is the graph itself.

    Example:
        >>> import gcl
        >>> method = gcl.methods.graphcl(gcl.datasets.load("karate"), hidden=8, auto=True)
        >>> method.chances
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    chances: Tensor
    last: Tensor

    def __init__(
        self, contrast: TwoView, pool: Sequence[Transform], *, lr: float = 0.1, gamma: float = 0.1
    ):
        super().__init__()
        if not pool or not all(callable(transform) for transform in pool):
            raise ValueError("JOAO: pool must hold at least one transform, each a callable.")
        check_positive("JOAO", lr=lr)
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"JOAO: gamma must be a number >= 0, got {gamma}.")
        self.contrast, self.pool, self.lr, self.gamma = contrast, list(pool), lr, gamma
        self.register_buffer("chances", torch.full((len(pool),), 1 / len(pool)))
        self.register_buffer("last", torch.full((len(pool),), float("nan")))

    def prepare(self, data: Graph) -> Graph:
        return self.contrast.prepare(data)

    def loss(self, data: Graph) -> Tensor:
        drawn = int(torch.multinomial(self.chances, 1))
        loss = self.contrast.compare(data, (self.contrast.views[0], self.pool[drawn]))
        self.last[drawn] = loss.detach()
        return loss

    def embed(self, data: Graph) -> Tensor:
        return self.contrast.embed(data)

    def after_step(self, step: int, total: int) -> None:
        self.contrast.after_step(step, total)
        if bool(self.last.isnan().all()):
            return
        loss = torch.where(self.last.isnan(), self.last.nanmean(), self.last)
        pull = self.chances - 1 / len(self.pool)
        self.chances.copy_(project_simplex(self.chances + self.lr * (loss - self.gamma * pull)))

    def extra_repr(self) -> str:
        return f"(pool): {self.pool}\nlr={self.lr:g}, gamma={self.gamma:g}"


def project_simplex(v: Tensor) -> Tensor:
    """The nearest point whose coordinates are not negative and sum to 1, `[k]`.

    Reference:
        Duchi et al., "Efficient projections onto the l1-ball", ICML 2008.

    Example:
        >>> project_simplex(torch.tensor([0.5, 1.5, -1.0]))
        tensor([0., 1., 0.])
    """
    falling = v.sort(descending=True).values
    shift = (falling.cumsum(0) - 1) / torch.arange(1, len(v) + 1, device=v.device)
    return (v - shift[int((falling > shift).sum()) - 1]).clamp(min=0)
