"""k-means on the unit sphere, in PyTorch: where clusters are made inside training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_columns, check_count, check_seed
from gcl.ops.ranks import Ranks, own_of, rows, total
from gcl.ops.similarity import unit_rows
from gcl.ops.structure import tally
from gcl.ops.tiles import blocks
from gcl.ops.tracing import outside_graph

# Similarities to centroids are held for this many pairs at a time.
PAIRS = 1 << 22

# Rows of several ranks from which a start is drawn, and which a rank then holds for it.
STARTS = 1 << 14


@outside_graph
@torch.no_grad()
def spherical_kmeans(
    z: Float[Tensor, "n d"],
    clusters: int,
    *,
    iterations: int = 20,
    seed: int = 0,
    init: Float[Tensor, "k d"] | None = None,
    together: Ranks | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Clusters of rows by cosine: rows and centroids have unit length.

        maximise  sum_i <u_i, mu_{c(i)}>,   mu_k = the direction of sum_{i: c(i) = k} u_i

    The start is k-means++ with its own random numbers; the result depends on the seed, not on the
    order of the rows. Equal similarities go to the cluster of the lower number. A cluster that
    loses all its rows moves to the row that fits its own worst, as long as there is one that does
    not fit: with fewer different rows than clusters some clusters stay empty. No gradient passes.
    Time O(n K d) an iteration, memory O((n + K) d) for K clusters.

    Args:
        z: rows of any length; zero rows belong to whatever cluster and pull no centroid.
        clusters: how many, >= 1; may exceed n.
        iterations: at most so many; it ends earlier when nothing moves.
        seed: of the start.
        init: centroids to start from instead, for example those of the epoch before.
        together: the ranks whose rows are meant, if not only these. Each gets the labels of its
            own rows and the same centroids; what is sent are sums `[clusters, d]`. The start is
            drawn by the first rank, from all rows or, of more than 2^14, from so many.

    Shape:
        z `[n, d]` -> labels `[n]` in [0, clusters), each the nearest centroid, and the centroids
        `[clusters, d]`.

    Raises:
        ValueError: no rows, clusters < 1, init not `[clusters, d]`.
        TypeError: not floating-point input.

    Reference:
        Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering",
        Machine Learning 2001; Arthur and Vassilvitskii, "k-means++: The Advantages of Careful
        Seeding", SODA 2007.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [0.1, 1.0]])
        >>> labels, centroids = spherical_kmeans(z, 2)
        >>> bool(labels[0] == labels[2] != labels[1] == labels[3])
        True
    """
    check_columns("spherical_kmeans", z, z if init is None else init)
    check_count("spherical_kmeans", clusters=clusters)
    check_count("spherical_kmeans", least=0, iterations=iterations)
    check_seed("spherical_kmeans", seed)
    if (len(z) if together is None else together.total) == 0:
        raise ValueError("spherical_kmeans: expected at least one row, got none.")
    if init is not None and len(init) != clusters:
        raise ValueError(
            f"spherical_kmeans: init must hold clusters = {clusters} centroids, got {len(init)}."
        )
    with torch.autocast(z.device.type, enabled=False):
        u = unit_rows(z)
        if init is not None:
            centroids = unit_rows(init.to(u))
        elif together is None:
            centroids = _spread(u, clusters, seed)
        else:
            centroids = _common_spread(u, clusters, seed, together)
        labels, similarity = _nearest(u, centroids)
        # Elsewhere small sums are done sooner than a question: what has settled is kept instead.
        asks = together is not None or u.device.type == "cpu" or len(u) * clusters > PAIRS
        settled = torch.zeros((), dtype=torch.bool, device=u.device)
        for _ in range(iterations):
            before, moved = labels, _means(u, clusters, labels, similarity, together)
            centroids = moved if asks else torch.where(settled, centroids, moved)
            labels, similarity = _nearest(u, centroids)
            if not asks:
                settled |= (labels == before).all()
            elif _are_same(labels, before, together):
                break
        return labels, centroids


def _common_spread(u: Tensor, clusters: int, seed: int, together: Ranks) -> Tensor:
    """The start that the first rank draws from rows of all."""
    if together.total > STARTS:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(together.total, generator=generator)[:STARTS].sort().values
        u, together = own_of(u, drawn, together)
    everyone, start = rows(u, together), u.new_zeros(clusters, u.shape[1])
    if together.rank == 0:
        start = _spread(everyone, clusters, seed)
    return total(start, together)


def _are_same(labels: Tensor, before: Tensor, together: Ranks | None) -> bool:
    if together is None:
        return torch.equal(labels, before)
    return not bool(total((labels != before).sum(), together))


def _spread(u: Tensor, clusters: int, seed: int) -> Tensor:
    """k-means++: each next centroid is a row, drawn by its distance to those chosen before."""
    keep: dict[str, Any] = {
        "generator": torch.Generator(u.device).manual_seed(seed),
        "dtype": torch.float64,
        "device": u.device,
    }
    draws = torch.rand(clusters, **keep)
    # Draw along a random direction instead of along positions: node order must not matter.
    direction = torch.randn(u.shape[1], **keep).to(u)
    u = u[(u @ direction).argsort(stable=True)]
    length = u.square().sum(1)
    gap, chosen = length, u.new_empty(clusters, u.shape[1])
    for c in range(clusters):
        total = gap.double().cumsum(0)
        position = torch.searchsorted(total, draws[c : c + 1] * total[-1], right=True)
        chosen[c : c + 1] = u[position.clamp(max=len(u) - 1)]
        gap = torch.minimum(gap, (length - u @ chosen[c]).clamp(min=0))
    return chosen


def _nearest(u: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    parts = [
        (u[part] @ centroids.t()).max(dim=1)
        for part in blocks(len(u), max(1, PAIRS // len(centroids))) or [slice(0, 0)]
    ]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def _means(
    u: Tensor, clusters: int, labels: Tensor, similarity: Tensor, together: Ranks | None
) -> Tensor:
    sums = u.new_zeros(clusters, u.shape[1]).index_add_(0, labels, u)
    sizes = tally(labels, clusters)
    if together is not None:
        sums, sizes = total(sums, together), total(sizes, together)
    centroids, empty = unit_rows(sums), sizes == 0
    asks = together is not None or u.device.type == "cpu"
    if asks and not bool(empty.any()):
        return centroids
    gap = u.square().sum(1) - similarity
    if together is not None:
        # The worst of all are among the worst of each.
        own = gap.argsort(descending=True, stable=True)[:clusters]
        lengths = tuple(min(clusters, length) for length in together.lengths)
        u, gap = (rows(x, replace(together, lengths=lengths)) for x in (u[own], gap[own]))
    worst = gap.argsort(descending=True, stable=True)[:clusters]
    # The first empty cluster gets the row that fits worst, the next one the next.
    turn = empty.cumsum(0) - 1
    row = worst[turn.clamp(0, len(worst) - 1)]
    misfit = gap[row] > 10 * torch.finfo(u.dtype).eps
    return torch.where((empty & misfit & (turn < len(worst)))[:, None], u[row], centroids)
