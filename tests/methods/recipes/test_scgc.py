"""SCGC*: every other node as a negative."""

import pytest

from gcl.methods.recipes.scgc import scgc
from gcl.transforms.add_influence import AddInfluence
from tests.methods.influence import SMALL, dense_gamma, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


def test_scgc_without_own_pairs_leaves_the_diagonal_out(data):
    method = scgc(data, **SMALL, tau=0.5, influence=AddInfluence(own=False))
    prepared = method.prepare(data)
    z = method.encoder(data.x).double()
    u = z / z.norm(dim=1, keepdim=True)
    powers = (u @ u.t() / 0.5).exp().fill_diagonal_(0)
    gamma = dense_gamma(data, 1).fill_diagonal_(0)
    some = gamma.sum(1) > 0  # node 3 has no positive
    assert some.sum() == 33
    contrast = powers.sum(1).log().mean() - (gamma * powers).sum(1)[some].log().mean()
    kl = method.self_training(method.clustering(method.encoder(data.x)))
    assert method(prepared).item() == pytest.approx((0.1 * kl + contrast).item(), rel=1e-5)
