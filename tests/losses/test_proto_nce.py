"""ProtoNCE against plain loops over clusters and rows."""

import math

import numpy as np
import pytest
import torch

from gcl.losses.proto_nce import ProtoNCE
from gcl.losses.proto_nce import _temperatures as temperatures
from gcl.ops.kmeans import spherical_kmeans
from gcl.testing import check_loss

LABELS = [0, 0, 0, 4, 4, 2, 0, 4, 1, 5, 5]  # cluster 3 is empty, 1 and 2 have one row


def unit(row):
    length = math.sqrt(math.fsum(x * x for x in row))
    return [x / length for x in row]


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def loop(z1, z2, labels, tau, concentration, centroids=None):
    """The definition, cluster by cluster and row by row."""
    a, f = [unit(r) for r in z1.tolist()], [unit(r) for r in z2.tolist()]
    members = {k: [i for i, c in enumerate(labels) if c == k] for k in set(labels)}
    centre, phi = {}, {}
    for k, rows in members.items():
        mean = [math.fsum(f[i][x] for i in rows) / len(rows) for x in range(len(f[0]))]
        mean = mean if centroids is None else centroids[k].tolist()
        centre[k] = unit(mean)
        if concentration == "distance":
            spread = [math.dist(f[i], centre[k]) for i in rows]
        else:
            spread = [math.sqrt(max(0.0, dot(f[i], mean))) for i in rows]
        phi[k] = sum(spread) / len(rows) / math.log(len(rows) + 5)
    largest = max(phi[k] for k in members if len(members[k]) > 1)
    phi = {k: phi[k] if len(members[k]) > 1 else largest for k in members}
    low, high = np.percentile(list(phi.values()), [10, 90])
    phi = {k: min(max(p, low), high) for k, p in phi.items()}
    mean = sum(phi.values()) / len(phi)
    phi = {k: tau if concentration == "constant" else tau * p / mean for k, p in phi.items()}
    out = []
    for i, k in enumerate(labels):
        total = math.fsum(math.exp(dot(a[i], centre[m]) / phi[m]) for m in members)
        out.append(math.log(total) - dot(a[i], centre[k]) / phi[k])
    return out


def views(n=11, d=4):
    return torch.randn(2, n, d, generator=torch.manual_seed(n), dtype=torch.float64)


@pytest.mark.parametrize("concentration", ["distance", "legacy", "constant"])
@pytest.mark.parametrize("given", [False, True])
def test_double_loop(concentration, given):
    z1, z2 = views()
    centroids = torch.randn(7, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    centroids = centroids if given else None
    loss = ProtoNCE(0.3, concentration=concentration, reduction="none")
    expected = loop(z1, z2, LABELS, 0.3, concentration, centroids)
    labels = torch.tensor(LABELS)
    assert loss(z1, z2, labels, centroids).tolist() == pytest.approx(expected, rel=1e-10)
    loss.reduction = "mean"
    assert loss(z1, z2, labels, centroids).item() == pytest.approx(np.mean(expected), rel=1e-10)


def test_granularities_are_averaged():
    z1, z2 = views()
    coarse = [c % 2 for c in LABELS]
    expected = np.mean([loop(z1, z2, c, 0.4, "distance") for c in (LABELS, coarse)])
    labels = torch.tensor([LABELS, coarse], dtype=torch.int32)
    assert ProtoNCE()(z1, z2, labels).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("concentration", ["distance", "constant"])
def test_gradient(concentration):
    z1, z2 = (z.requires_grad_() for z in views().unbind())
    loss, labels = ProtoNCE(0.3, concentration=concentration), torch.tensor(LABELS)
    assert torch.autograd.gradcheck(lambda a: loss(a, z2, labels), (z1,))
    value = loss(z1, z2, labels)
    assert torch.autograd.grad(value, z2, allow_unused=True) == (None,)


def test_many_clusters_stream_to_the_same_number():
    z1, z2 = views(400, 6)
    labels = torch.arange(400) % 211  # 400 * 211 pairs take the tiled form
    expected = loop(z1, z2, labels.tolist(), 0.4, "distance")
    z1.requires_grad_()
    value = ProtoNCE()(z1, z2, labels)
    value.backward()
    assert value.item() == pytest.approx(np.mean(expected), rel=1e-10)
    assert z1.grad.isfinite().all()


def test_rows_on_their_prototypes():
    # n clusters of one row: no extent anywhere, so phi = tau.
    z = torch.eye(5, 8, dtype=torch.float64)
    value = ProtoNCE(0.4)(z, z, torch.arange(5)).item()
    assert value == pytest.approx(math.log(math.exp(2.5) + 4) - 2.5, rel=1e-12)
    # Clusters of equal rows have no extent either, only rounding errors.
    z, labels = views()[0].float().repeat(3, 1), torch.arange(11).repeat(3)
    constant = ProtoNCE(0.4, concentration="constant")(z, z, labels).item()
    assert ProtoNCE(0.4)(z, z, labels).item() == pytest.approx(constant, rel=1e-6)


def test_loose_and_small_clusters_are_hotter():
    labels, counts = torch.tensor([0, 0, 1, 1, 2, 2, 2]), torch.tensor([2, 2, 3])
    spread = torch.tensor([0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5], dtype=torch.float64)
    phi = temperatures(spread, labels, counts, 0.4)
    assert phi[0] < phi[2] < phi[1]
    assert phi.mean().item() == pytest.approx(0.4)


def test_floor_of_the_temperature():
    # Nine clusters without extent, one with: the lower percentile is 0.
    spread = torch.tensor([0.0] * 18 + [1.0, 1.0], dtype=torch.float64)
    phi = temperatures(spread, torch.arange(10).repeat_interleave(2), torch.full((10,), 2), 0.4)
    assert phi.min().item() == pytest.approx(4e-7)
    assert phi.isfinite().all()


def test_clusters_of_its_own():
    z1, z2 = views(40, 5)
    loss = ProtoNCE(0.4, clusters=(3, 7), seed=4)
    labels = torch.stack([spherical_kmeans(z2, k, seed=4 + g)[0] for g, k in enumerate((3, 7))])
    assert loss(z1, z2).item() == pytest.approx(loss(z1, z2, labels).item(), rel=1e-12)
    one = ProtoNCE(0.4, clusters=3, seed=4)
    assert one(z1, z2).item() == pytest.approx(one(z1, z2, labels[0]).item(), rel=1e-12)
    assert ProtoNCE()(z1, z2).item() == pytest.approx(  # 40 / 40 and 40 / 13
        ProtoNCE(clusters=(2, 3))(z1, z2).item(), rel=1e-12
    )


@pytest.mark.parametrize("concentration", ["distance", "legacy", "constant"])
@pytest.mark.parametrize("clusters", [None, 5, (2, 30)])
def test_contract(concentration, clusters):
    loss = ProtoNCE(0.4, clusters=clusters, concentration=concentration)
    check_loss(loss, one_sided=True)


def test_identical_rows_and_low_precision_stay_finite():
    z1, z2 = torch.ones(2, 30, 4)
    z1.requires_grad_()
    value = ProtoNCE(0.01)(z1, z2, torch.arange(30) % 3)  # three equal prototypes
    value.backward()
    assert value.item() == pytest.approx(math.log(3), rel=1e-4)
    assert z1.grad.isfinite().all()
    z1, z2 = views()
    expected = ProtoNCE()(z1, z2, torch.tensor(LABELS)).item()
    with torch.autocast("cpu", torch.bfloat16):
        value = ProtoNCE()(z1.float(), z2.float(), torch.tensor(LABELS))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_few_rows():
    z1, z2 = views()
    with pytest.warns(UserWarning, match="one cluster"):
        assert ProtoNCE()(z1[:1], z2[:1]).item() == pytest.approx(0, abs=1e-12)
    assert ProtoNCE()(z1, z2, torch.zeros(11).long()).item() == pytest.approx(0, abs=1e-12)
    z1.requires_grad_()
    for assignment in (None, torch.zeros(2, 0).long()):
        empty = ProtoNCE()(z1[:0], z2[:0], assignment)
        empty.backward()
        assert empty.item() == 0


@pytest.mark.parametrize(
    "options", [{"iterations": []}, {"iterations": 1.5}, {"seed": 0.5}, {"clusters": 1.5}]
)
def test_options_of_another_kind_are_refused_before_any_row(options):
    with pytest.raises(TypeError, match=r"ProtoNCE: .* must be a"):
        ProtoNCE(**options)


def test_bad_input():
    z = torch.ones(3, 2)
    labels = torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match="one of 'distance', 'legacy', 'constant'"):
        ProtoNCE(concentration="legacy_ip")
    with pytest.raises(ValueError, match="clusters must be at least 1"):
        ProtoNCE(clusters=(3, 0))
    with pytest.raises(TypeError, match=r"integer labels, got torch.float32"):
        ProtoNCE()(z, z, labels.float())
    with pytest.raises(ValueError, match=r"\[n\] or \[G, n\] with n = 3"):
        ProtoNCE()(z, z, labels[:2])
    with pytest.raises(ValueError, match="at least 0, got values from -1"):
        ProtoNCE()(z, z, labels - 1)
    with pytest.raises(ValueError, match="at least 0 and below K = 1"):
        ProtoNCE()(z, z, labels, z[:1])
    with pytest.raises(ValueError, match=r"must be 2 matrices \[K, 2\]"):
        ProtoNCE()(z, z, labels.repeat(2, 1), z)
    with pytest.raises(ValueError, match="need the assignment"):
        ProtoNCE()(z, z, None, z)
