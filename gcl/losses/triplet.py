"""Triplet loss over all negatives, or over a few drawn ones."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.utils.checkpoint import checkpoint

from gcl.checks import check_count, check_positive, check_views
from gcl.ops.similarity import comparable
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph, traced

# Distances that exist at a time: 4 MiB in float32, and some arrays of that size.
PAIRS = 1 << 20
# Columns up to which differences are as fast as products.
NARROW = 8
# Squared distances from products are wrong by 1e-7 of the largest squared length: nearer than this
# part of the largest length they have lost half of their digits.
NEAR = 0.05


class Triplet(nn.Module):
    r"""Margin between the distance to the positive and the distance to each negative.

        L = mean_i mean_{j != i} relu( d(z1_i, z2_i) - d(z1_i, z2_j) + margin )

    and the mean of both directions, with the Euclidean distance d of the rows as they are (apply
    `unit_rows` first for distances on the sphere). Comparisons that are won by the margin count
    in the mean, with 0. All negatives are compared, a chunk of anchors after another; the backward
    pass computes the distances again. Distances are differences, so always in full precision.

    Args:
        margin: > 0.
        num_negatives: drawn anew at every call for every anchor, all different and none the
            anchor itself; from the other view. None, or more than there are: all.
        intra: the other rows of the same view are negatives too.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    One row alone has no negatives: the loss is 0, with a warning. Rows that coincide have a
    distance of 0 and pass no gradient through it, and so have those nearer than 1e-19 (1e-154 in
    float64), whose squares vanish; beyond 1e19 the loss is NaN.

    Raises:
        ValueError: margin <= 0, num_negatives < 1, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR
        2015 (squared distances there). Public code for graphs stores N x N x N triplets.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(Triplet(margin=2.0)(z, z).item(), 4)  # 2 - sqrt 2
        0.5858
    """

    def __init__(
        self, margin: float = 1.0, *, num_negatives: int | None = None, intra: bool = False
    ):
        super().__init__()
        check_positive("Triplet", margin=margin)
        if num_negatives is not None:
            check_count("Triplet", num_negatives=num_negatives)
        self.margin, self.num_negatives, self.intra = margin, num_negatives, intra

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("Triplet", z1, z2)
        u, v = comparable(z1, "dot"), comparable(z2, "dot")
        wide = torch.promote_types(u.dtype, v.dtype)
        u, v = u.to(wide), v.to(wide)
        if len(u) < 2:
            if len(u) == 1:
                warnings.warn("Triplet: one row has no negatives, so the loss is 0.", stacklevel=2)
            return 0 * (u.sum() + v.sum())
        with torch.autocast(z1.device.type, enabled=False):
            reach = row_distance(u, v) + self.margin
            # Distances know no origin, and products of rows far from it lose their digits.
            centre = (u.detach().mean(0) + v.detach().mean(0)) / 2
            u, v = u - centre, v - centre
            pairs = [(u, v), (v, u), (u, u), (v, v)] if self.intra else [(u, v), (v, u)]
            return torch.stack([self._mean(q, k, reach) for q, k in pairs]).mean()

    def _mean(self, q: Tensor, k: Tensor, reach: Tensor) -> Tensor:
        """Mean of `relu(reach_i - d(q_i, k_j))` over rows i and negatives j."""
        n = len(q)
        if self.num_negatives is not None and self.num_negatives < n - 1:
            drawn = draw_others(n, self.num_negatives, q.device)
            return torch.stack([relu(reach - row_distance(q, k[j])).mean() for j in drawn]).mean()
        settings = current_tiling()
        if settings.implementation == "dense" or traced():
            return _hinges(q, k, reach, 0) / (n * (n - 1))
        step = settings.tile or max(1, PAIRS // n)
        total = reach.new_zeros(())
        for start in range(0, n, step):
            rows = slice(start, start + step)
            total = total + checkpoint(
                _hinges, q[rows], k, reach[rows], start,
                use_reentrant=False, preserve_rng_state=False,
            )  # fmt: skip
        return total / (n * (n - 1))

    def extra_repr(self) -> str:
        return f"margin={self.margin:g}, num_negatives={self.num_negatives}, intra={self.intra}"


def _hinges(q: Tensor, k: Tensor, reach: Tensor, start: int) -> Tensor:
    """Sum of the hinges of some anchors, row 0 being number `start`, with all others."""
    gap = reach[:, None] - distances(q, k)
    gap.diagonal(offset=start).fill_(-torch.inf)
    return relu(gap).sum()


def distances(q: Tensor, k: Tensor) -> Tensor:
    """Euclidean distances of all rows `[n, m]`, those of near ones from differences."""
    exact = "donot_use_mm_for_euclid_dist"
    if q.shape[1] <= NARROW:
        return torch.cdist(q, k, compute_mode=exact)
    found = torch.cdist(q, k)
    with torch.no_grad():
        length = torch.stack([z.square().sum(1).max() for z in (q, k)]).max().sqrt()
        if bool(found.amin() >= NEAR * length):
            return found
        rows, cols = (found < NEAR * length).nonzero(as_tuple=True)
    if len(rows) * q.shape[1] > PAIRS:
        return torch.cdist(q, k, compute_mode=exact)
    return found.index_put((rows, cols), row_distance(q[rows], k[cols]))


def row_distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of row i of a to row i of b, `[n]`; gradient 0 where it is 0."""
    return torch.linalg.vector_norm(a - b, dim=1)


def draw_others(n: int, count: int, device: torch.device) -> Tensor:
    """For every one of n rows, `count < n` other rows, all different, `[count, n]`.

    The rows stand in a circle in random order and look the same random numbers of places ahead:
    nobody meets itself, and all rows are used equally often.
    """
    circle = torch.randperm(n, device=device)
    ahead = 1 + torch.randperm(n - 1, device=device)[:count]
    others = torch.empty(count, n, dtype=torch.long, device=device)
    others[:, circle] = circle[(torch.arange(n, device=device) + ahead[:, None]) % n]
    return others
