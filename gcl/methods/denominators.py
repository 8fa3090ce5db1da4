"""The negative terms of contrastive clustering: all nodes exactly, or by their clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from gcl.checks import check_choice, check_count
from gcl.losses.negatives.meta_node_negatives import other_clusters
from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp

Denominator: TypeAlias = Callable[[Tensor, Tensor, float], Tensor]
"""`(z [n, d], q [n, K], tau) -> [n]`: the negative term of every node, for its embedding and its
memberships."""


@dataclass(frozen=True)
class ExactNegatives:
    """`log( sum_{j != i} exp(<u_i, u_j> / tau) + own )`, streamed in O(n d) memory, O(n^2 d) time.

    Args:
        own: the node's own pair counts with similarity 0, `exp(0) = 1`, as in the released code;
            False leaves it out.
    """

    own: bool = True

    def __call__(self, z: Tensor, q: Tensor, tau: float) -> Tensor:
        u = unit_rows(z)
        others = streaming_logsumexp(u, u, tau=tau, exclude=True)
        return torch.logaddexp(others, torch.zeros_like(others)) if self.own else others


class ClusterMetaNodes(nn.Module):
    """All nodes by the meta-nodes of the clusters, O(n K d): `meta_node_logsumexp`.

    It stands for `log sum_j exp(<u_i, u_j> / tau)` over all j, the node itself with its similarity
    of 1 among them, where `ExactNegatives` counts it with 0; `exclude` leaves it out.

    Args:
        proxy: "node", "pair" or "paper".
        assign: "hard" gives a node to the cluster of its largest membership, without gradient, as
            in the released code; "soft" shares it out by q, the form of the paper's abstract.
        within_cluster: False leaves out the node's own cluster.
        exclude: leave out the node's own pair, which else counts as any other ("paper" has none).

    `gap` and `bound` speak of the last step if `remember` was set before it, which
    `gcl.callbacks.MonitorMetaNodes` does.
    """

    def __init__(
        self,
        proxy: Literal["node", "pair", "paper"] = "node",
        assign: Literal["hard", "soft"] = "hard",
        within_cluster: bool = True,
        exclude: bool = False,
    ):
        super().__init__()
        check_choice("ClusterMetaNodes", "proxy", proxy, ("node", "pair", "paper"))
        check_choice("ClusterMetaNodes", "assign", assign, ("hard", "soft"))
        self.proxy, self.assign = proxy, assign
        self.within_cluster, self.exclude = within_cluster, exclude
        self.remember = False
        self._last: tuple[Tensor, Tensor, float] | None = None

    def forward(self, z: Tensor, q: Tensor, tau: float) -> Tensor:
        self._last = (z.detach(), q.detach(), tau) if self.remember else None
        return self._sums(z, q, tau)

    def bound(self) -> dict[str, float]:
        """`meta_node_bound` of the last step.

        Raises:
            ValueError: nothing is remembered; a form without a bound.
        """
        z, q, tau = self._remembered()
        return meta_node_bound(z, self._clusters(q), tau, **self._options(q))

    @torch.no_grad()
    def gap(self, sample: int = 1024) -> dict[str, float]:
        """The exact sum minus this one on random nodes of the last step, in nats.

        Args:
            sample: nodes, >= 1; all if there are fewer. Each costs one row of the exact sum.

        Returns "gap", the mean, and "gap_max", the largest absolute value.

        Raises:
            ValueError: nothing is remembered.
        """
        check_count("ClusterMetaNodes.gap", sample=sample)
        z, q, tau = self._remembered()
        u, clusters = unit_rows(z), self._clusters(q)
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(u), generator=generator)[:sample].to(u.device)
        exact = streaming_logsumexp(
            u[chosen],
            u,
            tau=tau,
            exclude=chosen if self.exclude else False,
            log_weight=None if self.within_cluster else other_clusters(clusters, chosen),
        )
        value = self._sums(z, q, tau)[chosen]
        gap = (exact - value)[value != -torch.inf]
        if not len(gap):
            return {"gap": 0.0, "gap_max": 0.0}
        return {"gap": float(gap.mean()), "gap_max": float(gap.abs().max())}

    def _sums(self, z: Tensor, q: Tensor, tau: float) -> Tensor:
        return meta_node_logsumexp(z, z, tau, self._clusters(q), **self._options(q))

    def _clusters(self, q: Tensor) -> Tensor:
        return q.detach().argmax(1) if self.assign == "hard" else q

    def _options(self, q: Tensor) -> dict[str, Any]:
        return {
            "clusters": q.shape[1],
            "proxy": self.proxy,
            "within_cluster": self.within_cluster,
            "exclude": self.exclude,
        }

    def _remembered(self) -> tuple[Tensor, Tensor, float]:
        if self._last is None:
            raise ValueError(
                "ClusterMetaNodes: nothing to measure; set remember=True and take a step."
            )
        return self._last

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def extra_repr(self) -> str:
        return (
            f"proxy={self.proxy!r}, assign={self.assign!r}, "
            f"within_cluster={self.within_cluster}, exclude={self.exclude}"
        )
