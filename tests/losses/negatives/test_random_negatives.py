import itertools
import pickle

import pytest
import torch

from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import RandomNegatives
from gcl.ops.streaming import streaming_logsumexp
from gcl.testing import check_loss


def draw(monkeypatch, order):
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.tensor(order))


def test_double_loop_over_a_known_draw(monkeypatch, agrees):
    draw(monkeypatch, [4, 1, 7, 0, 2, 3, 5, 6, 8])
    agrees(RandomNegatives(3), lambda q, k, i: [j for j in (4, 1, 7) if j != i], 9)


def test_rescaled_sums_average_to_the_full_sum(monkeypatch, views):
    q, k = views(6)
    negatives, total = RandomNegatives(3, rescale=True), 0
    subsets = list(itertools.combinations(range(6), 3))
    for subset in subsets:
        draw(monkeypatch, subset)
        total = total + negatives(q, k, 2.0).exp()
    full = ((q @ k.t()) / 2).exp().fill_diagonal_(0).sum(1)
    assert torch.allclose(total / len(subsets), full, rtol=1e-12)


@pytest.mark.parametrize("num", [5, 6, 100])
def test_as_many_as_there_are_is_everyone(views, num):
    q, k = views(6)
    full = streaming_logsumexp(q, k, tau=0.3, exclude=True)
    assert torch.equal(RandomNegatives(num, rescale=True)(q, k, 0.3), full)


def test_only_the_anchor_itself_drawn_is_no_negative(monkeypatch, views):
    draw(monkeypatch, [2, 0, 1, 3])
    lse = RandomNegatives(1, rescale=True)(*views(4), 0.5)
    assert lse.isneginf().tolist() == [False, False, True, False]


def test_draws_follow_the_global_seed_and_differ(views):
    q, k = views(30)
    negatives = RandomNegatives(4)
    torch.manual_seed(1)
    first, second = negatives(q, k, 0.5), negatives(q, k, 0.5)
    torch.manual_seed(1)
    assert torch.equal(negatives(q, k, 0.5), first)
    assert not torch.equal(first, second)


def test_temperatures_of_rows(views):
    q, k = views(6)
    tau = torch.linspace(0.2, 0.7, 6, dtype=torch.float64)
    torch.manual_seed(0)
    together = RandomNegatives(3)(q, k, tau)
    for i in range(6):
        torch.manual_seed(0)
        assert torch.isclose(RandomNegatives(3)(q, k, float(tau[i]))[i], together[i])


def test_contract_and_pickling():
    check_loss(InfoNCE(0.4, negatives=RandomNegatives(5, rescale=True)), draws=True)
    negatives = RandomNegatives(5, rescale=True)
    assert repr(pickle.loads(pickle.dumps(negatives))) == "RandomNegatives(5, rescale=True)"


def test_bad_numbers():
    with pytest.raises(ValueError, match="num must be at least 1, got 0"):
        RandomNegatives(0)
    with pytest.raises(TypeError, match="must be a whole number"):
        RandomNegatives(0.5)
