"""JOAO: augmentations drawn as often as they are hard."""

from __future__ import annotations

import copy

from gcl.augment import RandomChoice
from gcl.contracts import Method, check_is_method
from gcl.methods.joao import JOAO
from gcl.methods.made import recorded
from gcl.methods.two_view import TwoView


@recorded()
def joao(method: Method, *, lr: float = 0.1, gamma: float = 0.1, every: int = 10) -> JOAO:
    """The same method with learned chances of the augmentations among which its second view draws.

        min over the encoder, max over p:   sum_k p_k l_k - gamma / 2 sum_k (p_k - 1/K)^2

    see `gcl.methods.JOAO`.

    Args:
        method: a `TwoView` whose second view is a `RandomChoice`, such as `graphcl`. It is copied.
        lr: step length of the chances, > 0.
        gamma: pull to the uniform distribution, >= 0.
        every: steps between two moves of the chances, >= 1.

    Raises:
        TypeError: a method without such a view.
        ValueError: a number outside its range.

    Reference:
        You et al., "Graph Contrastive Learning Automated", ICML 2021.

    Example:
        >>> import gcl
        >>> method = joao(gcl.methods.graphcl(gcl.datasets.load("karate"), hidden=8))
        >>> method.chances
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    check_is_method("joao", method)
    if not isinstance(method, TwoView) or not isinstance(method.views[1], RandomChoice):
        raise TypeError(
            "joao: expected a method whose second view draws from several augmentations "
            f"(gcl.augment.RandomChoice), such as graphcl, got {type(method).__name__}."
        )
    pool = method.views[1].transforms
    return JOAO(copy.deepcopy(method), pool, lr=lr, gamma=gamma, every=every)
