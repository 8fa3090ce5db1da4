"""How far sums over meta-nodes are from exact ones, without computing the exact ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.ops.clusters.members import (
    Members,
    Proxy,
    SumOptions,
    covariances,
    inverse_tau,
    positive,
    prepare_rows,
)
from gcl.ops.clusters.node_sum import BLOCK, node_sum
from gcl.ops.clusters.pair_sum import pair_sum
from gcl.ops.similarity import unit_rows
from gcl.ops.sparse import row_dots
from gcl.ops.tiles import blocks
from gcl.ops.tracing import outside_graph

# Numbers in the covariances of all clusters up to which a bound looks at them.
COVARIANCES = 1 << 26


def meta_node_bound(
    keys: Float[Tensor, "m d"],
    assignment: Tensor,
    tau: Tensor | float,
    *,
    z: Float[Tensor, "n d"] | None = None,
    clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    exclude: bool = False,
    normalize: bool = True,
) -> dict[str, float]:
    r"""How far "node" and "pair" can be from the exact sum, without computing it.

    For anchor i, `gap_i = (exact log-sum-exp) - (proxy)` is at least 0. Within cluster b the
    logits of i have a range of at most `diam_b / tau` (unit rows), so by Hoeffding's lemma

        bound         gap_i <= max_b diam_b^2 / (8 tau^2) <= 1 / (2 tau^2)
        mean_bound    mean_i gap_i <= mean_i log sum_b w_ib exp c_b,  w_i the proxy's softmax over
                      clusters,  c_b = min( diam_b^2 / (8 tau^2), var_b (e^x - 1 - x) / R_b^2 ),
                      x = R_b / tau

    and for "pair", whose gap is that of the mean over a whole cluster, not of each anchor, with
    `(diam_a + diam_b)^2` in place of `diam_b^2`, capped likewise. The second term of c_b is
    Bennett's: R_b is the largest distance to the mean and var_b the largest eigenvalue of the
    covariance, so single far rows do not spoil it. Diameters are taken from above in O(m d): twice
    the radius around a point in the direction of the mean. Eigenvalues take O(m d^2) more; with
    shares, and for more than 2^26 numbers in all covariances, the trace stands in for them, O(m d).
    Both results also hold for the distance of the second-order form from the exact sum.

    With shares, every row with a share above 0 belongs to a cluster, so the first is near its
    worst case; for "pair" there is none.

    Args:
        keys: candidates.
        assignment: clusters of the candidates, see `meta_node_logsumexp`.
        tau: temperature; of several the smallest counts.
        z: anchors; the same as keys if None.
        clusters: K of labels.
        proxy: "node" or "pair"; the released formula has no bound.
        within_cluster: as in `meta_node_logsumexp`.
        query_assignment: clusters of the anchors.
        exclude: as in `meta_node_logsumexp`; the bound holds for the sums without (i, i).
        normalize: False for rows taken as they are; distances are then multiplied by the length
            of the longest anchor.

    Shape:
        keys `[m, d]`, z `[n, d]` -> `{"bound": float, "mean_bound": float}`, in nats.

    Raises:
        TypeError, ValueError: as `meta_node_logsumexp`; proxy="paper", or "pair" with shares.

    Reference:
        Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 1963;
        Bennett, "Probability inequalities for the sum of independent random variables", JASA 1962.

    Example:
        >>> z, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> found = meta_node_bound(z, labels, 1.0)
        >>> round(found["bound"], 3)  # two unit vectors at right angles: diam^2 = 2
        0.25
    """
    z = keys if z is None else z
    terms = bound_terms(
        z, keys, tau, assignment, clusters=clusters, proxy=proxy,
        within_cluster=within_cluster, query_assignment=query_assignment, exclude=exclude,
        normalize=normalize,
    )  # fmt: skip
    missing = (terms.upper - terms.value)[terms.value != -torch.inf]
    mean = float(missing.mean()) if len(missing) else 0.0
    return {"bound": terms.bound, "mean_bound": mean}


class BoundTerms(NamedTuple):
    """The parts of a bound: of every anchor the proxy and what the exact sum is at most."""

    bound: float
    value: Tensor
    upper: Tensor


@outside_graph
@torch.no_grad()
def bound_terms(
    z: Tensor,
    keys: Tensor,
    tau: Tensor | float,
    assignment: Tensor,
    *,
    clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    exclude: bool = False,
    normalize: bool = True,
) -> BoundTerms:
    """`meta_node_bound` before the mean over anchors, so that sums over several views add up."""
    name = "meta_node_bound"
    if proxy == "paper":
        raise ValueError(f"{name}: the released formula has no bound; take proxy='node' or 'pair'.")
    u, v, members, queries = prepare_rows(
        name, z, keys, assignment, query_assignment, clusters, proxy, normalize, exclude,
        needs_queries=proxy != "node" or not within_cluster,
    )  # fmt: skip
    if proxy == "pair" and (queries is None or queries.labels is None or members.labels is None):
        raise ValueError(f"{name}: with shares 'pair' has no bound; take labels, or 'node'.")
    with torch.autocast(z.device.type, enabled=False):
        scale = inverse_tau(name, u, tau, "node")
        if len(u) == 0 or len(v) == 0:
            nothing = u.new_full((len(u),), -torch.inf)
            return BoundTerms(0.0, nothing, nothing)
        options = SumOptions(within_cluster, False, exclude, normalize=False)
        inverse, longest = float(scale.max()), float(u.square().sum(1).max().sqrt())
        reach = _extent(v, members, exclude)
        if proxy == "node":
            by_range = (inverse * longest * reach.diameter).square() / 8
            share = _bennett(reach.variance, reach.radius, inverse * longest)
            bonus = torch.minimum(by_range, share)
            value, upper = (
                node_sum(u, v, scale, members, queries, options, more) for more in (None, bonus)
            )
        else:
            assert queries is not None  # prepare_rows has seen to it
            own = _extent(u, queries, exclude).diameter
            far = float(v.square().sum(1).max().sqrt())
            apart = (own[:, None] * far + longest * reach.diameter).clamp(max=2 * longest * far)
            by_range = (inverse * apart).square() / 8
            # Clusters that are empty on one side have no pairs.
            there = (queries.sizes(u) > 0)[:, None] & (members.sizes(v) > 0)
            by_range = by_range.masked_fill(~there, 0.0)
            one = scale if scale.dim() == 0 else scale.max()
            value, upper = (
                queries.of_rows(pair_sum(u, v, one, members, queries, options, more))
                for more in (None, by_range)
            )
        return BoundTerms(float(by_range.max()), value, upper)


class _Extent(NamedTuple):
    """How far clusters extend, each a number from above `[K]`."""

    diameter: Tensor
    radius: Tensor  # around the mean
    variance: Tensor  # along the direction in which it is largest


def _extent(x: Tensor, members: Members, exclude: bool) -> _Extent:
    """In O(m d), from the smallest product with the direction of the mean and the lengths."""
    sizes = members.sizes(x)
    square = x.square().sum(1)
    means = members.sums(x) / positive(sizes)[:, None]
    direction = unit_rows(means)
    lowest = x.new_full((members.number,), torch.inf)
    longest, several = torch.zeros_like(lowest), sizes > 1
    if members.shares is None:
        assert members.labels is not None
        at = members.labels
        along = row_dots(x, direction, torch.arange(len(x), device=x.device), at)
        lowest = lowest.scatter_reduce(0, at, along, "amin")
        longest = longest.scatter_reduce(0, at, square, "amax")
    else:
        inside = torch.zeros_like(lowest)
        for rows in blocks(len(x), max(16, BLOCK // max(1, members.number))):
            there = members.shares[rows] > 0
            along = (x[rows] @ direction.t()).masked_fill(~there, torch.inf)
            lowest = torch.minimum(lowest, along.amin(0))
            longest = torch.maximum(longest, (square[rows, None] * there).amax(0))
            inside = inside + there.sum(0)
        several = inside > 1
    lowest = torch.where(lowest == torch.inf, 0.0, lowest)
    length = means.square().sum(1)
    slack = 16 * torch.finfo(x.dtype).eps * longest  # the products are rounded
    # Around r times the direction, r = the smallest product: no row of that length is farther
    # away, and rows of unit length need no larger ball.
    diameter = 2 * (longest - lowest.clamp(min=0).square() + slack).clamp(min=0).sqrt()
    radius = (longest - 2 * length.sqrt() * lowest + length + slack).clamp(min=0).sqrt()
    mean_square = members.sums(square[:, None]).squeeze(1) / positive(sizes)
    variance = (mean_square - length + slack).clamp(min=0)
    if members.shares is None and members.number * x.shape[1] ** 2 <= COVARIANCES:
        largest = torch.linalg.eigvalsh(covariances(x, members, sizes, means))[:, -1]
        variance = torch.minimum(variance, largest.clamp(min=0) + slack)
    if exclude and members.shares is None:
        # Without one of its rows a cluster has another mean.
        grown = sizes / (sizes - 1).clamp(min=1)
        radius, variance = radius * grown, variance * grown
    elif exclude:
        # A row may have had nearly all of a cluster: only its range is sure.
        radius, variance = diameter, diameter.square() / 4
    return _Extent(*(each.masked_fill(~several, 0.0) for each in (diameter, radius, variance)))


def _bennett(variance: Tensor, radius: Tensor, inverse: float) -> Tensor:
    """`log E exp(inverse X)` from above: E X = 0, X <= radius, E X^2 <= variance."""
    x = inverse * radius.double()
    # The series where the difference would lose its digits.
    excess = torch.where(x < 1e-3, x.square() / 2 * (1 + x), x.exp() - 1 - x)
    ratio = variance.double() / positive(radius.double().square())
    return (ratio * excess).to(radius.dtype)
