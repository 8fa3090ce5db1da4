import pickle

import pytest
import torch

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import ClusterNegatives, refine_labels


def same(labels):
    labels = labels.tolist()
    return lambda q, k, i: [j for j in range(len(k)) if j != i and labels[j] == labels[i]]


@pytest.mark.parametrize(
    "labels", [[3, 0, 3, 0, -1, 3, 0, 7, 3], [2] * 9, list(range(9))], ids=["some", "one", "all"]
)
def test_double_loop(agrees, labels):
    labels = torch.tensor(labels)
    agrees(ClusterNegatives(labels), same(labels), 9)


def test_big_and_small_clusters_equal_the_masked_square():
    # 300 and 260 rows have sums of their own; the small ones share one
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([300, 3, 1, 260, 90, 90, 90, 5])
    labels = torch.arange(8).repeat_interleave(sizes)
    labels = labels[torch.randperm(len(labels), generator=generator)]
    q, k = (torch.randn(len(labels), 4, dtype=torch.float64, generator=generator) for _ in "qk")
    tau = torch.rand(len(labels), dtype=torch.float64, generator=generator) + 0.5
    inputs = [t.requires_grad_() for t in (q, k, tau)]
    lse = ClusterNegatives(labels)(*inputs)
    apart = (labels[:, None] != labels).fill_diagonal_(True)
    logits = (q @ k.t() / tau[:, None]).masked_fill(apart, -torch.inf)
    some = torch.isfinite(lse)
    assert (~some).sum() == 1
    oracle = logits[some].logsumexp(1)
    assert torch.allclose(lse[some], oracle, rtol=1e-10)
    for mine, other in zip(
        torch.autograd.grad(lse[some].square().sum(), inputs),
        torch.autograd.grad(oracle.square().sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(mine, other, rtol=1e-7, atol=1e-9)


def test_one_label_is_plain_infonce(views):
    z1, z2 = views(8)
    chosen = InfoNCE(0.3, negatives=ClusterNegatives(torch.zeros(8, dtype=torch.long)))
    assert torch.isclose(chosen(z1, z2), InfoNCE(0.3)(z1, z2), rtol=1e-12)


def test_labels_can_be_replaced(views):
    z1, z2 = views(6)
    loss = DCL(negatives=ClusterNegatives(torch.arange(6)))
    assert loss(z1, z2).item() == 0  # all alone: none counts
    loss.negatives.labels = torch.zeros(6, dtype=torch.int32)
    assert torch.isclose(loss(z1, z2), DCL()(z1, z2))


def test_no_rows():
    assert ClusterNegatives(torch.zeros(0, dtype=torch.long))(
        *[torch.zeros(0, 3)] * 2, 1.0
    ).shape == (0,)


def test_refined_labels_are_the_ranks_of_the_pairs():
    generator = torch.Generator().manual_seed(0)
    old, new = (torch.randint(-3, 4, (60,), generator=generator) * 10**12 for _ in range(2))
    pairs = list(zip(old.tolist(), new.tolist(), strict=True))
    rank = {pair: i for i, pair in enumerate(sorted(set(pairs)))}
    assert refine_labels(old, new).tolist() == [rank[p] for p in pairs]
    assert refine_labels(old, torch.zeros_like(old)).max() + 1 == len(old.unique())


def test_pickling_and_repr():
    clone = pickle.loads(pickle.dumps(ClusterNegatives(torch.tensor([0, 1, 1]))))
    assert repr(clone) == "ClusterNegatives(3 nodes, 2 clusters)"


def test_bad_labels(views):
    with pytest.raises(TypeError, match="must be a tensor of integers"):
        ClusterNegatives(torch.zeros(3))
    with pytest.raises(ValueError, match="one a node"):
        ClusterNegatives(torch.zeros(3, 1, dtype=torch.long))
    with pytest.raises(ValueError, match="each of the 4 rows, got 3"):
        ClusterNegatives(torch.arange(3))(*views(4), 0.5)
    with pytest.raises(ValueError, match="got 3 and 2"):
        refine_labels(torch.arange(3), torch.arange(2))
