"""More than two views a step."""

from __future__ import annotations

import copy
from itertools import cycle, islice

from torch import nn

from gcl.checks import check_count
from gcl.contracts import Loss, Method, check_is_method
from gcl.losses import InfoNCE, PairwiseViews, PolyView
from gcl.methods.made import recorded
from gcl.methods.two_view import TwoView


@recorded()
def several_views(method: Method, *, views: int = 3) -> Method:
    """The same method with more views a step, drawn by its own two in turn.

        L = mean over nodes and views a of - mean_{b != a} log p_iab           (`PolyView`)
        L = 2 / (M (M - 1)) sum_{a < b} l(z^a, z^b)                            (`PairwiseViews`)

    The first in the place of plain `InfoNCE`, the second of any other loss.

    Args:
        method: a `TwoView` of two views. It is copied, weights and all.
        views: M, >= 2; 2 changes nothing.

    Raises:
        TypeError: no `TwoView`; views is no whole number.
        ValueError: below 2; a method that compares more than two views already.

    Reference:
        Shidani et al., "Poly-View Contrastive Learning", ICLR 2024; Tian et al., "Contrastive
        Multiview Coding", ECCV 2020.

    Example:
        >>> import gcl
        >>> method = gcl.methods.grace(gcl.datasets.load("karate"), hidden=8)
        >>> len(several_views(method, views=4).views)
        4
    """
    check_count("several_views", least=2, views=views)
    check_is_method("several_views", method)
    if not isinstance(method, TwoView):
        raise TypeError(
            f"several_views: expected a TwoView, got {type(method).__name__}; apply it before "
            "variants that go around a method."
        )
    if len(method.views) != 2:
        raise ValueError(
            f"several_views: expected a method of two views, got one of {len(method.views)}."
        )
    changed = copy.deepcopy(method)
    if views == 2:
        return changed
    return TwoView(
        changed.encoder,
        tuple(islice(cycle(changed.views), views)),
        _loss_of_several(changed.objective),
        changed.projector,
        changed.readout,
        changed.whole_graph,
    )


def _loss_of_several(loss: Loss) -> Loss:
    if isinstance(loss, PolyView):
        return loss
    plain = (
        type(loss) is InfoNCE
        and loss.intra
        and loss.symmetric
        and loss.similarity == "cosine"
        and not loss.margin
        and loss.negatives is None
        and loss.log_weight is None
    )
    if isinstance(loss, InfoNCE) and plain:
        return PolyView(loss.tau)
    if not isinstance(loss, nn.Module):
        raise TypeError(
            f"several_views: the objective must be a module, such as gcl.losses.InfoNCE, got "
            f"{loss!r}."
        )
    return PairwiseViews(loss)
