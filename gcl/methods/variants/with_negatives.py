"""Other negatives than all nodes."""

from __future__ import annotations

import copy

from gcl.checks import shown
from gcl.contracts import Method, check_is_method
from gcl.losses.softmax import Negatives, SoftmaxLoss
from gcl.methods.made import recorded


@recorded()
def with_negatives(method: Method, negatives: Negatives) -> Method:
    """The same method with other negatives in each of its softmax losses.

    Args:
        method: one that contrasts by a softmax loss such as `InfoNCE`, also inside `Sketched`,
            `PairwiseViews` or another variant. It is copied, weights and all.
        negatives: which nodes are negatives, or how they are summed: `gcl.losses.RandomNegatives`,
            `HardestNegatives`, `ClusterNegatives`, `FilteredNegatives`, `MixedNegatives`,
            `MetaNodeNegatives`, or `(q, k, tau) -> [n]` of your own. They are copied.

    Raises:
        TypeError: the method has no softmax loss; negatives are not callable.
        ValueError: its loss weighs its negatives, or has chosen some, already.

    Example:
        >>> import gcl
        >>> method = gcl.methods.grace(gcl.datasets.load("karate"), hidden=8)
        >>> with_negatives(method, gcl.losses.HardestNegatives(5)).objective.negatives.num
        5
    """
    return replace_negatives("with_negatives", method, negatives)


def replace_negatives(name: str, method: Method, negatives: Negatives) -> Method:
    """`with_negatives` under the name of a variant that chooses them."""
    check_is_method(name, method)
    if not callable(negatives) or isinstance(negatives, type):
        raise TypeError(f"{name}: negatives must be callable, got {shown(negatives)}.")
    changed = copy.deepcopy(method)
    objectives = [part for part in changed.modules() if isinstance(part, SoftmaxLoss)]
    if not objectives:
        raise TypeError(
            f"{name}: expected a method that contrasts two views by a softmax loss, such as "
            f"grace, got a {type(method).__name__} without one; apply it before several_views."
        )
    for objective in objectives:
        if objective.negatives is not None or objective.log_weight is not None:
            raise ValueError(
                f"{name}: {type(objective).__name__} of this {type(method).__name__} has "
                "negatives or weights of its own."
            )
        objective.negatives = copy.deepcopy(negatives)
    return changed
