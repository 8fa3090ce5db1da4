"""JOAO: augmentations that are drawn as often as they are hard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gcl.augment import RandomChoice
from gcl.checks import check_count, check_positive, check_real
from gcl.contracts import Graph, Method, Transform
from gcl.methods.two_view import TwoView
from gcl.ops.host import number, set_number
from gcl.ops.structure import remember
from gcl.ops.tracing import outside_graph


class JOAO(Method):
    r"""Two-view contrast whose second view is drawn from a pool with learned probabilities.

        min over the encoder, max over p:   sum_k p_k l_k - gamma / 2 sum_k (p_k - 1/K)^2

    with l_k the loss of augmentation k. Every so many steps
    `p <- P( p + lr (l - gamma (p - 1/K)) )`, P the projection onto the probability simplex: hard
    augmentations are drawn more often. All l_k are then measured on the batch of the step, in
    evaluation mode and without gradient: losses of different batches or times do not compare.

    Args:
        method: what is trained; its first view stays, its second is replaced.
        pool: the augmentations, at least one; drawn for every graph of a batch.
        lr: step length of the probabilities, > 0.
        gamma: pull to the uniform distribution, >= 0. The authors try 0.01, 0.1 and 1.
        every: steps between two moves of p, >= 1; one costs K forward passes.

    The probabilities, losses and steps (`chances`, `last`, `steps`) are buffers and so in
    checkpoints.

    Raises:
        ValueError: an empty pool, lr, gamma or every out of range.

    Reference:
        You et al., "Graph Contrastive Learning Automated", ICML 2021. Their code
        updates once an epoch, with step length 1, from losses over all batches; it has the graph
        itself in the pool, too.

    Example:
        >>> import gcl
        >>> method = gcl.methods.joao(gcl.methods.graphcl(gcl.datasets.load("karate"), hidden=8))
        >>> method.chances
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    chances: Tensor
    last: Tensor
    steps: Tensor

    def __init__(
        self,
        method: TwoView,
        pool: Sequence[Transform],
        *,
        lr: float = 0.1,
        gamma: float = 0.1,
        every: int = 10,
    ):
        super().__init__()
        if not pool or not all(callable(transform) for transform in pool):
            raise ValueError("JOAO: pool must hold at least one transform, each a callable.")
        check_positive("JOAO", lr=lr)
        check_real("JOAO", gamma=gamma)
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"JOAO: gamma must be a number >= 0, got {gamma}.")
        check_count("JOAO", every=every)
        self.method, self.pool, self.lr, self.gamma = method, list(pool), lr, gamma
        self.every, self.graph_level = every, method.graph_level
        self.register_buffer("chances", torch.full((len(pool),), 1 / len(pool)))
        self.register_buffer("last", torch.full((len(pool),), float("nan")))
        self.register_buffer("steps", torch.tensor(0))

    def prepare(self, data: Graph) -> Graph:
        return self.method.prepare(data)

    def loss(self, data: Graph) -> Tensor:
        if self.training and self._learns_now():
            self._learn(data)
        return self.method.compare(data, (self.method.views[0], self._drawn()))

    @outside_graph
    def _learns_now(self) -> bool:
        return number(self.steps) % self.every == 0

    @outside_graph
    def _drawn(self) -> Transform:
        now = self.chances
        chances = remember(now, ("shares",), lambda: (now / now.sum()).tolist())
        return RandomChoice(self.pool, chances, per_graph=True)

    def embed(self, data: Graph) -> Tensor:
        return self.method.embed(data)

    def after_step(self, step: int, total: int) -> None:
        self.method.after_step(step, total)
        set_number(self.steps, step)

    @outside_graph
    @torch.no_grad()
    def _learn(self, data: Graph) -> None:
        self.method.eval()
        try:
            first = self.method.views[0]
            losses = [self.method.compare(data, (first, second)) for second in self.pool]
        finally:
            self.method.train()
        self.last.copy_(torch.stack(losses))
        pull = self.chances - 1 / len(self.pool)
        step = self.lr * (self.last - self.gamma * pull)
        # Of a loss that is no number nothing is learned; `fit` tells of it.
        step = torch.where(step.isfinite().all(), step, 0.0)
        self.chances.copy_(project_simplex(self.chances + step))

    def extra_repr(self) -> str:
        return f"(pool): {self.pool}\nlr={self.lr:g}, gamma={self.gamma:g}, every={self.every}"


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
    last = (falling > shift).sum(0, keepdim=True) - 1
    return (v - shift.gather(0, last)).clamp(min=0)
