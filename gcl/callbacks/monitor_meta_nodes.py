"""How far sums over meta-nodes are from exact ones."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from gcl.checks import check_count
from gcl.training.state import Callback, State, is_due


@runtime_checkable
class MetaNodes(Protocol):
    """Sums over meta-nodes that can say how far they are from exact ones."""

    remember: bool | None
    proxy: str

    def gap(self, sample: int = ...) -> dict[str, float]: ...
    def bound(self) -> dict[str, float]: ...


class MonitorMetaNodes(Callback):
    """How far the negatives of `MetaNodeNegatives` are from the exact sums, during training.

    Writes into the row of `state.history`, in nats, for the last step of the epoch:

        meta_gap, meta_gap_max      exact minus cluster sums on a sample of anchors, mean and
                                    largest absolute value
        meta_bound                  what the gap of any anchor cannot exceed ("pair": of the mean
                                    over a cluster)
        meta_mean_bound             what the mean gap cannot exceed

    The released formula (`proxy="paper"`) has no bound. A gap well below 1, the order of the loss's
    own differences, says that the clusters do; otherwise take more of them or a higher tau. No
    random number of training is used up.

    Args:
        every: epochs between two measurements, >= 1.
        sample: anchors of the gap, >= 1; each costs one row of the exact sum.
        prefix: put before every name.

    Raises:
        ValueError: the method has none, or more than one, of `MetaNodeNegatives` and
            `ClusterMetaNodes` (PamC's).

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.meta_nodes(gcl.methods.grace(data, hidden=8), clusters=5)
        >>> state = gcl.fit(method, data, epochs=2, callbacks=[MonitorMetaNodes(every=2)])
        >>> last = state.history[-1]
        >>> 0 <= last["meta_gap"] <= last["meta_mean_bound"] <= last["meta_bound"]
        True
    """

    every_rank = True  # the sums are over the rows of all

    def __init__(self, *, every: int = 10, sample: int = 1024, prefix: str = ""):
        check_count("MonitorMetaNodes", every=every, sample=sample)
        self.every, self.sample, self.prefix = every, sample, prefix

    def on_start(self, state: State) -> None:
        found = [m for m in state.method.modules() if isinstance(m, MetaNodes)]
        if len(found) != 1:
            raise ValueError(
                f"MonitorMetaNodes: expected one MetaNodeNegatives, or PamC's ClusterMetaNodes, in "
                f"the method, found {len(found)}."
            )
        self._negatives = found[0]
        self._before, found[0].remember = found[0].remember, True

    def on_epoch_end(self, state: State) -> None:
        if not is_due(state, self.every):
            return
        if state.team is not None:
            state.team.agree()  # that none has failed, before rows are waited for
        measured = self._negatives.gap(self.sample)
        if self._negatives.proxy != "paper":
            measured |= self._negatives.bound()
        state.history[-1].update(
            {f"{self.prefix}meta_{key}": value for key, value in measured.items()}
        )

    def on_end(self, state: State) -> None:
        if hasattr(self, "_negatives"):
            self._negatives.remember = self._before
