"""ProtoNCE: rows against the prototypes of clusters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import (
    check_choice,
    check_count,
    check_counts,
    check_positive,
    check_seed,
    check_views,
)
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.similarity import in_one_type, unit_rows
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


class ProtoNCE(nn.Module):
    r"""Each row of the first view picks the prototype of its cluster in the second view.

    For G clusterings c_g of the rows, with prototypes mu of unit length and one temperature phi a
    cluster,

        L = mean over i and g of
            log sum_k exp(<a_i, mu_k> / phi_k) - <a_i, mu_{c(i)}> / phi_{c(i)},
        a_i = z1_i / ||z1_i||,  f_i = z2_i / ||z2_i||,  mu_k = the direction of sum_{c(i) = k} f_i.

    Loose or small clusters get the higher temperature: with n_k members,

        phi_k = mean_{c(i) = k} ||f_i - mu_k|| / log(n_k + 5),

    the largest of these for clusters of one member; clipped to the 10th and 90th percentile, scaled
    to mean tau, at least 1e-6 tau; tau for all if no cluster has any extent.

    Clusters, prototypes and temperatures are constants: the gradient reaches z1 only. Empty
    clusters take no part. Memory O((n + K) d).

    Args:
        tau: mean temperature, > 0.
        clusters: K of the k-means that runs on z2 when no assignment is given; several numbers
            give several granularities; None takes about n / 40 and n / 13. It runs from scratch at
            every call; to cluster less often, pass the assignment.
        concentration: "distance" as above; "constant" sets phi = tau; "legacy" is the formula
            released with MEOW, sqrt(max(0, <f_i, mean of the f in the cluster>)) in place of the
            distance, which heats tight clusters. For comparison only.
        iterations: of the k-means.
        seed: of the k-means; granularity g takes seed + g.
        reduction: "mean", or "none" for one value a row `[n]`.

    Shape:
        z1, z2 `[n, d]`, assignment `[n]` or `[G, n]`, centroids `[K, d]` or G of them
        -> scalar, or `[n]`.

    One row (or one cluster) has no other prototype: the loss is 0, with a warning for one row.

    Raises:
        ValueError: a number outside its range, unequal shapes, an assignment that does not fit.
        TypeError: not floating-point views or not integer labels.

    Reference:
        Li et al., "Prototypical Contrastive Learning of Unsupervised Representations", ICLR 2021
        (there log(n_k + 10)); Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path
        Contexts and Weighted Negative Samples" (MEOW), SDM 2023, whose constant log(n / K) is
        dropped. Their code gives NaN for clusters without extent and keeps empty clusters.

    Example:
        >>> z = torch.eye(4)
        >>> round(ProtoNCE(0.5)(z, z, torch.arange(4)).item(), 4)  # log(e^2 + 3) - 2
        0.3408
    """

    def __init__(
        self,
        tau: float = 0.4,
        *,
        clusters: int | Sequence[int] | None = None,
        concentration: Literal["distance", "legacy", "constant"] = "distance",
        iterations: int = 20,
        seed: int = 0,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        check_positive("ProtoNCE", tau=tau)
        check_choice("ProtoNCE", "concentration", concentration, ("distance", "legacy", "constant"))
        check_choice("ProtoNCE", "reduction", reduction, ("mean", "none"))
        check_count("ProtoNCE", iterations=iterations)
        check_seed("ProtoNCE", seed)
        if isinstance(clusters, int):
            clusters = (clusters,)
        if clusters is not None:
            check_counts("ProtoNCE", clusters=clusters)
        self.tau, self.clusters, self.concentration = tau, clusters, concentration
        self.iterations, self.seed, self.reduction = iterations, seed, reduction

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        assignment: Tensor | None = None,
        centroids: Tensor | Sequence[Tensor] | None = None,
    ) -> Tensor:
        check_views("ProtoNCE", z1, z2)
        n = len(z1)
        if n == 1:
            warnings.warn("ProtoNCE: one row has one cluster, so the loss is 0.", stacklevel=2)
        with torch.autocast(z1.device.type, enabled=False):
            a, f = in_one_type(unit_rows(z1), unit_rows(z2.detach()))
            if assignment is None:
                if centroids is not None:
                    raise ValueError("ProtoNCE: centroids need the assignment that goes with them.")
                assignment = self._cluster(f)
            labels, given = _granularities(assignment, centroids, f)
            values = a.sum(1) * 0
            for c, mu in zip(labels, given, strict=True):
                values = values + self._contrast(a, f, c, mu) / len(labels)
            return values if self.reduction == "none" else values.sum() / max(n, 1)

    def _cluster(self, f: Tensor) -> Tensor:
        n = len(f)
        if n == 0:
            return torch.zeros(1, 0, dtype=torch.long, device=f.device)
        numbers = self.clusters or (max(2, n // 40), max(2, n // 13))
        return torch.stack(
            [
                spherical_kmeans(f, k, iterations=self.iterations, seed=self.seed + g)[0]
                for g, k in enumerate(numbers)
            ]
        )

    def _contrast(self, a: Tensor, f: Tensor, labels: Tensor, centroids: Tensor | None) -> Tensor:
        if len(a) == 0:
            return a.sum(1)
        used, labels, counts = labels.unique(return_inverse=True, return_counts=True)
        if centroids is None:
            total = f.new_zeros(len(used), f.shape[1]).index_add_(0, labels, f)
            centroids = total / counts[:, None]
        else:
            centroids = centroids.detach().to(f)[used]
        mu = unit_rows(centroids)
        if self.concentration == "distance":
            phi = _temperatures((f - mu[labels]).norm(dim=1), labels, counts, self.tau)
        elif self.concentration == "legacy":
            product = (f * centroids[labels]).sum(1)
            phi = _temperatures(product.clamp(min=0).sqrt(), labels, counts, self.tau)
        else:
            phi = torch.full_like(mu[:, 0], self.tau)
        scaled = mu / phi[:, None]
        return streaming_logsumexp(a, scaled, tau=1.0) - (a * scaled[labels]).sum(1)

    def extra_repr(self) -> str:
        return f"tau={self.tau:g}, concentration={self.concentration!r}"


def _temperatures(spread: Tensor, labels: Tensor, counts: Tensor, tau: float) -> Tensor:
    """One temperature a cluster, of mean tau, from how far each member is from its centroid."""
    phi = spread.new_zeros(len(counts)).index_add_(0, labels, spread) / counts
    phi = phi / (counts + 5).to(phi).log()
    several = counts > 1
    # Without other members there is no extent to measure.
    phi = torch.where(several, phi, torch.where(several, phi, 0.0).max())
    # Made there: a list of two numbers would be copied, which waits.
    shares = torch.linspace(0.1, 0.9, 2, dtype=phi.dtype, device=phi.device)
    phi = phi.clamp(*torch.quantile(phi, shares))
    mean = phi.mean()
    scaled = (tau * phi / mean).clamp(min=1e-6 * tau)
    return torch.where(mean <= 10 * torch.finfo(phi.dtype).eps, tau, scaled)


def _granularities(
    assignment: Tensor, centroids: Tensor | Sequence[Tensor] | None, f: Tensor
) -> tuple[Tensor, list[Tensor | None]]:
    """Labels `[G, n]` and the centroids of each row of them, checked against the features."""
    if not isinstance(assignment, Tensor) or assignment.dtype not in (torch.int32, torch.int64):
        got = assignment.dtype if isinstance(assignment, Tensor) else type(assignment).__name__
        raise TypeError(f"ProtoNCE: assignment must hold integer labels, got {got}.")
    labels = (assignment[None] if assignment.dim() == 1 else assignment).to(f.device).long()
    if labels.dim() != 2 or labels.shape[1] != len(f) or len(labels) == 0:
        raise ValueError(
            f"ProtoNCE: assignment must be [n] or [G, n] with n = {len(f)} rows, got "
            f"{list(assignment.shape)}."
        )
    given: list[Tensor | None]
    if centroids is None:
        given = [None] * len(labels)
    else:
        given = [centroids] if isinstance(centroids, Tensor) else list(centroids)
    if len(given) != len(labels) or any(
        mu is not None and (mu.dim() != 2 or mu.shape[1] != f.shape[1]) for mu in given
    ):
        raise ValueError(
            f"ProtoNCE: centroids must be {len(labels)} matrices [K, {f.shape[1]}], one a "
            f"clustering, got {[list(mu.shape) for mu in given if mu is not None]}."
        )
    for row, mu in zip(labels, given, strict=True):
        least, most = torch.stack(row.aminmax()).tolist() if row.numel() else (0, -1)
        if least < 0 or (mu is not None and most >= len(mu)):
            below = "" if mu is None else f" and below K = {len(mu)}"
            raise ValueError(
                f"ProtoNCE: labels must be at least 0{below}, got values from {least} to {most}."
            )
    return labels, given
