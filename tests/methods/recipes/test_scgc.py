"""SCGC*: every other node as a negative."""

import pytest
import torch

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


def test_temperature_divides_as_the_papers_multiplies(data):
    # tau = 4 of ACM is 0.25 there.
    torch.manual_seed(0)
    method = scgc(data, **SMALL, beta=0.0, alpha=1.0)
    prepared = method.prepare(data)
    z = method.encoder(data.x).double()
    u = z / z.norm(dim=1, keepdim=True)
    s = (u @ u.t()).fill_diagonal_(0) * 0.25
    positive = (dense_gamma(data, 1) * s.exp()).sum(1).log().mean()
    assert method(prepared).item() == pytest.approx((s.exp().sum(1).log().mean() - positive).item())


def test_the_negatives_are_exact_and_the_widths_the_papers(data):
    shown = repr(scgc(data))
    assert "12 -> 500 -> 500 -> 2000 -> 10" in shown
    assert "ExactNegatives(own=True)" in shown
    assert "ExactNegatives(own=False)" in repr(scgc(data, influence=AddInfluence(own=False)))
    assert scgc(data, clusters=7).clustering.centres.shape == (7, 10)


def test_there_are_no_forms_of_meta_nodes(data):
    with pytest.raises(TypeError, match="proxy"):
        scgc(data, proxy="node")
