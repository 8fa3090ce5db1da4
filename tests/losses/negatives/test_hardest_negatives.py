import math
import pickle

import pytest
import torch

from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import HardestNegatives
from gcl.losses.negatives.hardest_negatives import hardest
from gcl.testing import check_loss


def by_sorting(num, skip):
    def chosen(q, k, i):
        others = [j for j in range(len(k)) if j != i]
        others.sort(key=lambda j: -sum(x * y for x, y in zip(q[i], k[j], strict=True)))
        return others[skip : skip + num]

    return chosen


@pytest.mark.parametrize(("num", "skip"), [(3, 0), (3, 2), (50, 1)])
def test_double_loop(agrees, num, skip):
    agrees(HardestNegatives(num, skip=skip), by_sorting(num, skip), 9)


def test_search_in_chunks_of_rows():
    z = torch.randn(2500, 3, dtype=torch.float64)  # 419 rows a chunk
    dots, cols = hardest(z, z.flip(0), 7)
    full = (z @ z.flip(0).t()).fill_diagonal_(-torch.inf)
    assert torch.allclose(dots, full.topk(7).values, rtol=1e-12)
    assert torch.allclose(full.gather(1, cols), dots, rtol=1e-12)


def test_nothing_left_after_skipping_is_no_negative(views):
    z1, z2 = views(3)
    assert HardestNegatives(4, skip=2)(z1, z2, 0.5).isneginf().all()
    assert InfoNCE(negatives=HardestNegatives(4, skip=2))(z1, z2).item() == 0


def test_all_of_them_is_plain_infonce(views):
    z1, z2 = views(8)
    chosen = InfoNCE(0.3, negatives=HardestNegatives(7))(z1, z2)
    assert torch.isclose(chosen, InfoNCE(0.3)(z1, z2), rtol=1e-12)


def test_gradients_of_tau_and_of_rows(views):
    q, k = (z.requires_grad_() for z in views(6, 3))
    for tau in (torch.tensor(0.5), torch.linspace(0.3, 0.8, 6)):
        tau = tau.double().requires_grad_()
        assert torch.autograd.gradcheck(HardestNegatives(3, skip=1), (q, k, tau))


def test_distances(views):
    z1, z2 = views(7)
    loss = InfoNCE(
        2.0, negatives=HardestNegatives(2), similarity="neg_sq_euclidean", intra=False,
        symmetric=False, reduction="none",
    )  # fmt: skip
    far = -torch.cdist(z1, z2).square() / 2
    negative = far.clone().fill_diagonal_(-math.inf).topk(2).values
    expected = torch.cat([far.diagonal()[:, None], negative], 1).logsumexp(1) - far.diagonal()
    assert torch.allclose(loss(z1, z2), expected, rtol=1e-8)


def test_contract_and_pickling():
    check_loss(InfoNCE(0.4, negatives=HardestNegatives(4, skip=1)))
    clone = pickle.loads(pickle.dumps(HardestNegatives(4, skip=1)))
    assert repr(clone) == "HardestNegatives(4, skip=1)"


def test_bad_numbers():
    with pytest.raises(ValueError, match="num must be at least 1"):
        HardestNegatives(0)
    with pytest.raises(ValueError, match="skip must be at least 0, got -1"):
        HardestNegatives(3, skip=-1)
