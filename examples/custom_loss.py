"""A loss of your own: any function of two [n, d] matrices."""

from torch import Tensor

import gcl
from gcl.checks import check_views
from gcl.ops.similarity import unit_rows
from gcl.testing import check_loss


def align_and_spread(z1: Tensor, z2: Tensor, weight: float = 0.1) -> Tensor:
    """Pull the two views of a node together, push the mean of all nodes to the origin."""
    check_views("align_and_spread", z1, z2)
    u, v = unit_rows(z1), unit_rows(z2)
    align = (u - v).square().sum(dim=1).mean()
    return align + weight * (u.mean(dim=0).square().sum() + v.mean(dim=0).square().sum())


check_loss(align_and_spread)
data = gcl.datasets.load("karate")
grace = gcl.methods.grace(data, hidden=16)
method = gcl.methods.TwoView(grace.encoder, grace.views, align_and_spread, grace.projector)
print(f"loss {gcl.fit(method, data, epochs=20).loss:.4f}")
