"""MACL: a temperature that follows the training."""

from __future__ import annotations

import copy

from gcl.contracts import Method, check_is_method
from gcl.losses import AdaptiveTemperature, PolyView
from gcl.losses.softmax import SoftmaxLoss
from gcl.methods.made import recorded


@recorded()
def macl(method: Method, *, alpha: float = 0.5, momentum: float = 0.0) -> Method:
    """The same method with MACL's temperature in the place of each fixed one.

        tau = tau_0 (1 + alpha A),   A = mean_i s(z1_i, z2_i)  (no gradient)

    see `gcl.losses.AdaptiveTemperature`.

    Args:
        method: one that contrasts by a softmax loss or `PolyView`, also inside `Sketched`,
            `PairwiseViews` or another variant. It is copied, weights and all.
        alpha: strength, in [0, 1]; 0 keeps tau.
        momentum: of the moving average of the alignment, in [0, 1); 0.9 suits batches of graphs.

    Raises:
        TypeError: no objective of the method has a fixed temperature.
        ValueError: a number outside its range.

    Reference:
        Huang et al., "Model-Aware Contrastive Learning: Towards Escaping the Dilemmas", ICML 2023.

    Example:
        >>> import gcl
        >>> method = macl(gcl.methods.grace(gcl.datasets.load("karate"), hidden=8), alpha=0.2)
        >>> method.objective.tau.alpha
        0.2
    """
    check_is_method("macl", method)
    changed = copy.deepcopy(method)
    found = False
    for part in changed.modules():
        # A learned temperature is a parameter, an adaptive one a module.
        if isinstance(part, SoftmaxLoss | PolyView) and isinstance(part.tau, int | float):
            part.tau = AdaptiveTemperature(part.tau, alpha=alpha, momentum=momentum)
            found = True
    if not found:
        raise TypeError(
            "macl: expected a method that contrasts at a fixed temperature, such as grace, got a "
            f"{type(method).__name__} without one."
        )
    return changed
