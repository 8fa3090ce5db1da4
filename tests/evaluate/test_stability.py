"""Agreement over trainings against a double loop and scikit-learn."""

import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from gcl.evaluate import kmeans_clusters, neighbour_agreement, stability


def loop_agreement(z1, z2, k):
    n = len(z1)
    lists = []
    for z in (z1.double(), z2.double()):
        near = []
        for i in range(n):
            cosines = [
                (-float(z[i] @ z[j] / (z[i].norm() * z[j].norm())), j) for j in range(n) if j != i
            ]
            near.append({j for _, j in sorted(cosines)[:k]})
        lists.append(near)
    share = sum(len(a & b) for a, b in zip(*lists, strict=True)) / (n * k)
    chance = k / (n - 1)
    return (share - chance) / (1 - chance)


@pytest.mark.parametrize("k", [1, 5])
def test_agreement_is_that_of_a_loop(k):
    z = torch.randn(40, 6)
    other = z + 0.7 * torch.randn(40, 6)
    expected = loop_agreement(z, other, k)
    assert neighbour_agreement(z, other, k=k) == pytest.approx(expected, abs=1e-6)
    assert neighbour_agreement(other.to_sparse_csr(), z, k=k) == pytest.approx(expected, abs=1e-6)


def test_a_sample_is_near_the_whole():
    z = torch.randn(500, 6)
    other = z + 0.5 * torch.randn(500, 6)
    whole, part = (neighbour_agreement(z, other, anchors=a) for a in (500, 250))
    assert whole != part
    assert part == pytest.approx(whole, abs=0.05)


def test_collapsed_embeddings_agree_by_chance_only():
    ones = torch.ones(300, 4)
    assert abs(neighbour_agreement(ones, ones)) < 0.05


def test_stability_over_pairs():
    zs = [torch.randn(60, 5) for _ in range(2)]
    zs.append(zs[0] + 0.1 * torch.randn(60, 5))
    before = torch.get_rng_state()
    found = stability(zs, k=4, clusters=3)
    assert torch.equal(before, torch.get_rng_state())
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert found.per_run["neighbours"] == pytest.approx(
        [loop_agreement(zs[i], zs[j], 4) for i, j in pairs], abs=1e-6
    )
    groups = [kmeans_clusters(z, 3) for z in zs]
    for name, score in (
        ("cluster_ari", adjusted_rand_score),
        ("cluster_ami", adjusted_mutual_info_score),
    ):
        expected = [score(groups[i], groups[j]) for i, j in pairs]
        assert found.per_run[name] == pytest.approx(expected)
    assert found["neighbours"] == pytest.approx(sum(found.per_run["neighbours"]) / 3)


def test_messages():
    z = torch.randn(10, 2)
    with pytest.raises(TypeError, match="stability: expected a list of at least two embeddings"):
        stability([z])
    with pytest.raises(TypeError, match="stability: expected a list"):
        stability(torch.randn(2, 10, 2))
    with pytest.raises(ValueError, match=r"stability: .* got \[10, 9\] rows"):
        stability([z, z[:9]], k=2)
    with pytest.raises(ValueError, match="got 10 and 9 rows"):
        neighbour_agreement(z, z[:9])
    with pytest.raises(ValueError, match="k must lie between 1 and 8, the nodes less two, got 9"):
        neighbour_agreement(z, z, k=9)
