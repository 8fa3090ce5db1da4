"""A loss of your own on the streaming primitive: exact, and no N x N array."""

from torch import Tensor

import gcl
from gcl.checks import check_views
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp
from gcl.testing import check_loss


def asymmetric_infonce(z1: Tensor, z2: Tensor, tau: float = 0.4, sharper: float = 0.2) -> Tensor:
    """InfoNCE from z1 to z2 whose negatives of the same view have a temperature of their own."""
    check_views("asymmetric_infonce", z1, z2)
    u, v = unit_rows(z1), unit_rows(z2)
    across = streaming_logsumexp(u, v, tau=tau)
    within = streaming_logsumexp(u, u, tau=sharper, exclude=True)  # not with itself
    return (across.logaddexp(within) - (u * v).sum(dim=1) / tau).mean()


check_loss(asymmetric_infonce)
data = gcl.datasets.load("karate")
grace = gcl.methods.grace(data, hidden=16)
method = gcl.methods.TwoView(grace.encoder, grace.views, asymmetric_infonce, grace.projector)
print(f"loss {gcl.fit(method, data, epochs=20).loss:.4f}")
