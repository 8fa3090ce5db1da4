"""The bounds on sums over meta-nodes against the true gaps."""

import math

import pytest
import torch

from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.streaming import streaming_logsumexp
from tests.ops.clusters.by_loops import clustered, diameters


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("tau", [2.0, 0.5, 0.2])
@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
def test_node_is_below_the_exact_sum_by_at_most_its_bound(spread, tau, exclude):
    for seed in range(4):
        z, labels = clustered(seed, spread=spread)
        u = torch.nn.functional.normalize(z)
        exact = streaming_logsumexp(u, u, tau=tau, exclude=exclude)
        options = {"exclude": exclude}
        gap = exact - meta_node_logsumexp(z, z, tau, labels, **options)
        found = meta_node_bound(z, labels, tau, **options)
        true = max(diameters(z, labels).values()) ** 2 / (8 * tau**2)
        assert gap.min() >= -1e-12
        assert gap.max() <= true
        assert true <= found["bound"] <= 0.5 / tau**2 + 1e-9
        assert gap.mean() <= found["mean_bound"] <= found["bound"] * (1 + 1e-9)
        corrected = meta_node_logsumexp(z, z, tau, labels, second_order=True, **options)
        assert (exact - corrected).abs().max() <= found["bound"]
        assert (exact - corrected).abs().mean() <= found["mean_bound"]


@pytest.mark.parametrize("tau", [2.0, 0.5])
@pytest.mark.parametrize("exclude", [False, True])
def test_pair_is_below_on_the_mean_over_each_cluster(tau, exclude):
    for seed in range(4):
        z, labels = clustered(seed)
        u = torch.nn.functional.normalize(z)
        exact = streaming_logsumexp(u, u, tau=tau, exclude=exclude)
        node = meta_node_logsumexp(z, z, tau, labels, exclude=exclude)
        pair = meta_node_logsumexp(z, z, tau, labels, proxy="pair", exclude=exclude)
        found = meta_node_bound(z, labels, tau, proxy="pair", exclude=exclude)
        wide = sorted(diameters(z, labels).values())
        true = min(2.0, wide[-1] + wide[-1]) ** 2 / (8 * tau**2)
        assert true <= found["bound"] <= 0.5 / tau**2 + 1e-9
        for c in labels.unique():
            here = labels == c
            assert float((node - pair)[here].mean()) + 1e-12 >= 0
            assert -1e-12 <= float((exact - pair)[here].mean()) <= true
        assert float((exact - pair).mean()) <= found["mean_bound"] <= found["bound"] * (1 + 1e-9)


def test_bounds_with_shares_hold_and_reach_the_worst_case():
    z, labels = clustered(0)
    shares = torch.nn.functional.one_hot(labels, 6).double()
    exact = meta_node_bound(z, labels, 0.5)
    soft = meta_node_bound(z, shares, 0.5)
    assert soft["bound"] == pytest.approx(exact["bound"], rel=1e-9)
    assert soft["mean_bound"] >= exact["mean_bound"]  # by the trace
    spread = 0.9 * shares + 0.1 / 6
    u = torch.nn.functional.normalize(z)
    for exclude in (False, True):
        gap = streaming_logsumexp(u, u, tau=0.5, exclude=exclude)
        gap = gap - meta_node_logsumexp(z, z, 0.5, spread, exclude=exclude)
        found = meta_node_bound(z, spread, 0.5, exclude=exclude)
        assert gap.min() >= 0
        assert gap.max() <= found["bound"]
        assert gap.mean() <= found["mean_bound"]
    assert found["bound"] == pytest.approx(2.0, rel=0.02)  # 1 / (2 tau^2)


def test_bound_of_rows_of_any_length_and_a_tau_each():
    z, labels = clustered(1)
    z, keys = 3 * z[:40], z
    tau = torch.linspace(0.5, 2.0, 40, dtype=torch.float64)
    gap = streaming_logsumexp(z, keys, tau=tau)
    gap = gap - meta_node_logsumexp(z, keys, tau, labels, normalize=False)
    found = meta_node_bound(keys, labels, tau, z=z, normalize=False)
    assert gap.min() >= 0
    assert gap.max() <= found["bound"]
    assert gap.mean() <= found["mean_bound"]


def test_bound_in_closed_form():
    # Two directions at an angle of 2 t around one mean: the range along them is the diameter.
    t = 0.3
    rows = [[math.cos(t), math.sin(t)], [math.cos(t), -math.sin(t)], [0.0, 2.0]]
    z = torch.tensor(rows, dtype=torch.float64)
    found = meta_node_bound(z, torch.tensor([0, 0, 1]), 0.5)
    assert found["bound"] == pytest.approx((2 * math.sin(t)) ** 2 / (8 * 0.25), rel=1e-6)
    alone = meta_node_bound(z, torch.arange(3), 0.5)
    assert alone == {"bound": 0.0, "mean_bound": 0.0}


def test_a_pair_bound_needs_labels():
    z, shares = torch.randn(6, 3), torch.full((6, 2), 0.5)
    with pytest.raises(ValueError, match="with shares 'pair' has no bound"):
        meta_node_bound(z, shares, 0.5, proxy="pair")
