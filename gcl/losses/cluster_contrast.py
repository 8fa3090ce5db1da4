"""MEOW's objective: clusters say which negatives are hard, and stand as prototypes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_count, check_positive, check_real, check_views
from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.proto_nce import ProtoNCE
from gcl.losses.softmax import SoftmaxLoss
from gcl.losses.weights.rules import cluster_pairs
from gcl.ops.host import number, set_number
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.tracing import outside_graph


class ClusterContrast(nn.Module):
    r"""Anchors z1 against candidates z2, negatives weighed by clusters of z2, with prototypes.

    For G clusterings c_g of the rows of z2, s = cos(z1_i, z2_j),

        w_ij = G - #{ g : c_g(i) = c_g(j) },
        L = mean_i ( log sum_{j != i} w_ij exp(s_ij / tau) - s_ii / tau ) + lam ProtoNCE(z1, z2)

    Nodes together in all clusterings do not repel; the gradient at s_ij is
    `w_ij exp(s_ij / tau) / (n tau sum_k w_ik exp(s_ik / tau))`. Clusters are constants. They are
    found by spherical k-means that starts where it stopped the time before.

    Args:
        tau: temperature, > 0, of both terms.
        lam: weight of the prototypes, >= 0.
        clusters: K_g of each clustering, or the K of a single one.
        weighted: False weighs all negatives 1 and keeps the positive in the sum: plain InfoNCE.
        concentration: temperature of the prototypes, see `ProtoNCE`.
        every: the centroids move in every so many calls in training; in between, rows go to the
            nearest of them.
        iterations: of the k-means from scratch; a start from old centroids takes a quarter of it.
        warm_start: False clusters from scratch every time, as the released code does.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        TypeError, ValueError: arguments outside their range, views that do not fit.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted
        Negative Samples" (MEOW), SDM 2023. Their clusters come from inner products with centroids
        that are not of unit length, from scratch with five restarts in every epoch.

    Example:
        >>> z = torch.randn(60, 8)
        >>> loss = ClusterContrast(0.4, clusters=(4, 8))
        >>> loss(z, z).shape
        torch.Size([])
    """

    calls: Tensor

    def __init__(
        self,
        tau: float = 0.4,
        *,
        lam: float = 1.0,
        clusters: int | Sequence[int] = (100, 300),
        weighted: bool = True,
        concentration: Literal["distance", "legacy", "constant"] = "distance",
        every: int = 1,
        iterations: int = 20,
        warm_start: bool = True,
    ):
        super().__init__()
        check_positive("ClusterContrast", tau=tau)
        check_count("ClusterContrast", every=every, iterations=iterations)
        check_choice(
            "ClusterContrast", "concentration", concentration, ("distance", "legacy", "constant")
        )
        check_real("ClusterContrast", lam=lam)
        if not 0 <= lam < float("inf"):
            raise ValueError(f"ClusterContrast: lam must be at least 0, got {lam}.")
        numbers = list(clusters) if isinstance(clusters, Iterable) else [clusters]
        if not numbers:
            raise ValueError("ClusterContrast: clusters is empty; give at least one number.")
        for each in numbers:
            check_count("ClusterContrast", clusters=each)
        self.tau, self.lam, self.clusters = tau, lam, tuple(map(int, numbers))
        self.weighted, self.every, self.iterations = weighted, every, iterations
        self.warm_start = warm_start
        kind = DCL if weighted else InfoNCE
        self.contrast: SoftmaxLoss = kind(tau, intra=False, symmetric=False)
        self.prototypes = ProtoNCE(tau, concentration=concentration) if lam else None
        self.register_buffer("calls", torch.tensor(0))
        # Without columns: no centroids yet. The width shows at the first call.
        for g, size in enumerate(self.clusters):
            self.register_buffer(f"centroids_{g}", torch.full((size, 0), torch.nan))

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("ClusterContrast", z1, z2)
        if not (self.weighted or self.lam):
            return self.contrast(z1, z2)
        labels = self.cluster(z2.detach())
        if self.weighted:
            self.contrast.log_weight = cluster_pairs(labels)
        loss = self.contrast(z1, z2)
        if self.prototypes is not None:
            loss = loss + self.lam * self.prototypes(z1, z2, labels)
        return loss

    @torch.no_grad()
    def cluster(self, z: Float[Tensor, "n d"]) -> Tensor:
        """Labels `[G, n]`; in training this moves the centroids."""
        moves = self.training and number(self.calls) % self.every == 0
        labels = []
        for g, clusters in enumerate(self.clusters):
            old = self._centroids(g)
            known = old.shape[1] == z.shape[1]
            start = old.to(z.device) if known and (self.warm_start or not moves) else None
            rounds = self.iterations if start is None else max(1, self.iterations // 4)
            found, centroids = spherical_kmeans(
                z,
                clusters,
                iterations=rounds if moves or start is None else 0,
                seed=g,
                init=start,
            )
            if moves:
                self.register_buffer(f"centroids_{g}", centroids)
            labels.append(found)
        if self.training:
            set_number(self.calls, number(self.calls) + 1)
        return torch.stack(labels)

    def _centroids(self, g: int) -> Tensor:
        found = getattr(self, f"centroids_{g}")
        assert isinstance(found, Tensor)
        return found

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args: object) -> None:
        # The width of the centroids is that of the saved ones.
        for g in range(len(self.clusters)):
            saved = state.get(f"{prefix}centroids_{g}")
            if saved is not None and saved.shape[0] == self.clusters[g]:
                self.register_buffer(f"centroids_{g}", torch.empty_like(saved))
        super()._load_from_state_dict(state, prefix, *args)

    def extra_repr(self) -> str:
        return (
            f"tau={self.tau:g}, lam={self.lam:g}, clusters={self.clusters}, "
            f"weighted={self.weighted}, every={self.every}"
        )
