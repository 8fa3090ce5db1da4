"""What learnt weights of negatives become."""

from __future__ import annotations

from typing import Any

import torch

from gcl.checks import check_count
from gcl.losses.adaptive_contrast import AdaptiveContrast
from gcl.training.state import Callback, State, is_due


class MonitorWeights(Callback):
    """What the learnt weights of negatives have become, during the training of `adameow`.

    Writes into the row of `state.history`, in evaluation mode, without a random number:

        weight_mean, weight_std     over pairs of different nodes, on 256 anchors
        weight_similarity           correlation of a pair's weight with its cosine

    As published the mean sinks towards 0 and the deviation with it, so that all negatives weigh the
    same; normalised the mean is 1.

    Args:
        every: epochs between two measurements, >= 1.

    Raises:
        ValueError: the method does not contrast by `AdaptiveContrast`.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
        >>> paths = gcl.transforms.AddMetaPaths([["paper", "author", "paper"]])
        >>> method = gcl.methods.adameow(data, paths=paths)
        >>> state = gcl.fit(method, data, epochs=2, callbacks=[MonitorWeights(every=1)])
        >>> round(state.history[-1]["weight_mean"], 3)
        1.0
    """

    def __init__(self, *, every: int = 10):
        check_count("MonitorWeights", every=every)
        self.every = every

    def on_start(self, state: State) -> None:
        if not isinstance(getattr(state.method, "objective", None), AdaptiveContrast):
            raise ValueError(
                "MonitorWeights: the method has no learnt weights; it is for gcl.methods.adameow."
            )

    def on_epoch_end(self, state: State) -> None:
        if not is_due(state, self.every):
            return
        method: Any = state.method
        was_training = method.training
        method.eval()
        try:
            with torch.no_grad():
                state.history[-1].update(method.objective.statistics(*method.views(state.data)))
        finally:
            method.train(was_training)
