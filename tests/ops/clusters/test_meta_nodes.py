"""Sums over meta-nodes against plain loops over nodes."""

import math

import pytest
import torch

from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.streaming import streaming_logsumexp
from tests.ops.clusters.by_loops import (
    LABELS,
    as_shares,
    clustered,
    draw,
    node_loop,
    pair_loop,
    paper_loop,
    some_shares,
)

CASES = [
    {"exclude": e, "within": w, "second": s}
    for e in (False, True)
    for w in (True, False)
    for s in (False, True)
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_double_loop_and_gradient(proxy, kind, case):
    z, keys = draw(9), draw(9, seed=5)
    given = torch.tensor(LABELS) if kind == "labels" else some_shares(9)
    tau = torch.linspace(0.4, 0.9, 9, dtype=torch.float64) if proxy == "node" else 0.6
    q = as_shares(given, 5)
    loop = node_loop if proxy == "node" else pair_loop
    expected = loop(z, keys, tau.tolist() if proxy == "node" else tau, q, q, **case)

    def call(z, keys, tau, shares=None):
        value = meta_node_logsumexp(
            z, keys, tau, given if shares is None else shares, proxy=proxy,
            within_cluster=case["within"], second_order=case["second"], exclude=case["exclude"],
        )  # fmt: skip
        return value

    assert call(z, keys, tau).tolist() == pytest.approx(expected, rel=1e-9)
    tau = torch.as_tensor(tau, dtype=torch.float64)
    inputs = [t.clone().requires_grad_() for t in (z, keys, tau)]
    if kind == "shares":
        # From inside: a share of 0 can only grow.
        inputs.append((some_shares(9) + 0.05).requires_grad_())
    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("kinds", ["labels", "shares", "both"])
@pytest.mark.parametrize("within", [True, False])
def test_anchors_with_clusters_of_their_own(kinds, within):
    z, keys = draw(7), draw(9, seed=5)
    assignment = torch.tensor(LABELS) if kinds != "shares" else some_shares(9, 5)
    mine = some_shares(7, 5, seed=3) if kinds != "labels" else torch.tensor([0, 0, 3, 2, 1, 4, 4])
    q, p = as_shares(assignment, 5), as_shares(mine, 5)
    options = {"query_assignment": mine, "within_cluster": within}
    loops = {"within": within, "second": True, "exclude": False}
    node = meta_node_logsumexp(z, keys, 0.5, assignment, second_order=True, **options)
    assert node.tolist() == pytest.approx(node_loop(z, keys, [0.5] * 7, q, p, **loops), rel=1e-9)
    pair = meta_node_logsumexp(z, keys, 0.5, assignment, proxy="pair", second_order=True, **options)
    assert pair.tolist() == pytest.approx(pair_loop(z, keys, 0.5, q, p, **loops), rel=1e-9)
    paper = meta_node_logsumexp(z, keys, 0.5, assignment, proxy="paper", **options)
    assert paper.tolist() == pytest.approx(paper_loop(z, keys, 0.5, q, p, within=within), rel=1e-9)


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("kind", ["labels", "shares"])
def test_paper_is_the_released_formula(kind, within):
    z = draw(9)
    given = torch.tensor(LABELS) if kind == "labels" else some_shares(9)
    q = as_shares(given, 5)
    value = meta_node_logsumexp(z, z, 0.5, given, proxy="paper", within_cluster=within)
    assert value.tolist() == pytest.approx(paper_loop(z, z, 0.5, q, q, within=within), rel=1e-10)

    def call(z, tau):
        return meta_node_logsumexp(z, z, tau, given, proxy="paper", within_cluster=within)

    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (z.requires_grad_(), tau))


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_clusters_of_one_row_are_exact(proxy, exclude):
    z, labels = draw(12), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    u = torch.nn.functional.normalize(z)
    inputs = z.clone().requires_grad_(), u.clone().requires_grad_()
    value = meta_node_logsumexp(inputs[0], inputs[0], 0.2, labels, proxy=proxy, exclude=exclude)
    v = torch.nn.functional.normalize(inputs[1])
    exact = streaming_logsumexp(v, v, tau=0.2, exclude=exclude)
    assert torch.allclose(value, exact, rtol=1e-10)
    second = meta_node_logsumexp(z, z, 0.2, labels, proxy=proxy, exclude=exclude, second_order=True)
    assert torch.allclose(second, exact, rtol=1e-10)


@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_first_order_in_one_over_tau_any_partition_is_exact(proxy):
    z, labels = clustered(2, spread=1.0)
    u = torch.nn.functional.normalize(z)
    gaps = [
        float(
            (
                streaming_logsumexp(u, u, tau=tau)
                - meta_node_logsumexp(z, z, tau, labels, proxy=proxy)
            ).mean()
        )
        for tau in (50.0, 100.0)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.02)  # no term of first order
    if proxy == "node":
        # The leading term: half the variance of <u_i, u_j> within clusters over tau^2.
        spread = torch.zeros(len(u), dtype=torch.float64)
        for c in labels.unique():
            here = labels == c
            spread += here.double().mean() * (u @ u[here].t()).var(1, correction=0)
        assert gaps[1] == pytest.approx(float(spread.mean()) / 2 / 100.0**2, rel=0.02)
        corrected = meta_node_logsumexp(z, z, 100.0, labels, second_order=True)
        left = (streaming_logsumexp(u, u, tau=100.0) - corrected).abs().mean()
        assert left < 0.05 * gaps[1]


def test_scales_of_rows_do_not_matter():
    z, labels = clustered(3)
    rows = torch.linspace(0.1, 5, len(z), dtype=torch.float64)[:, None]
    for proxy in ("node", "pair"):
        value = meta_node_logsumexp(z, z, 0.5, labels, proxy=proxy)
        other = meta_node_logsumexp(rows * z, rows * z, 0.5, labels, proxy=proxy)
        assert torch.allclose(value, other, rtol=1e-12)
    paper = meta_node_logsumexp(z, z, 0.5, labels, proxy="paper")
    assert torch.allclose(meta_node_logsumexp(7 * z, 7 * z, 0.5, labels, proxy="paper"), paper)
    changed = meta_node_logsumexp(rows * z, rows * z, 0.5, labels, proxy="paper")
    assert not torch.allclose(changed, paper, rtol=1e-3)  # its sums are of raw rows


@pytest.mark.parametrize("proxy", ["node", "pair", "paper"])
def test_empty_clusters_take_no_part(proxy):
    z, labels = clustered(4)
    value = meta_node_logsumexp(z, z, 0.5, labels, proxy=proxy)
    sparse = meta_node_logsumexp(z, z, 0.5, 3 * labels + 2, clusters=200, proxy=proxy)
    assert torch.allclose(sparse, value, rtol=1e-12)
    shares = torch.zeros(len(z), 40, dtype=torch.float64).scatter_(1, 3 * labels[:, None] + 2, 1.0)
    soft = meta_node_logsumexp(z, z, 0.5, shares, proxy=proxy)
    assert torch.allclose(soft, value, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("proxy", ["node", "pair", "paper"])
@pytest.mark.parametrize("second", [False, True])
def test_odd_input_is_finite_with_finite_gradients(proxy, second, dtype):
    if second and proxy == "paper":
        return
    z = draw(8).to(dtype)
    z[:3] = 0  # a cluster of zero rows, and one zero row beside others
    labels = torch.tensor([0, 0, 3, 3, 3, 6, 1, 1])
    for given in (labels, torch.nn.functional.one_hot(labels, 20).to(dtype)):
        for exclude in (False, True):
            x = z.clone().requires_grad_()
            value = meta_node_logsumexp(
                x, x, 0.1, given, proxy=proxy, second_order=second, exclude=exclude
            )
            (slope,) = torch.autograd.grad(value.sum(), x)
            assert value.dtype == torch.float32
            assert bool(value.isfinite().all() & slope.isfinite().all())


@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_rows_without_candidates(proxy):
    one = draw(1).requires_grad_()
    for given in (torch.tensor([0]), torch.ones(1, 3, dtype=torch.float64)):
        value = meta_node_logsumexp(one, one, 0.5, given, proxy=proxy, exclude=True)
        assert value.tolist() == [-math.inf]
        # As the losses do with such rows.
        (slope,) = torch.autograd.grad(torch.logaddexp(value, one.sum(1)).sum(), one)
        assert bool(slope.isfinite().all())
    alone = meta_node_logsumexp(draw(4), draw(4), 0.5, torch.zeros(4).long(), within_cluster=False)
    assert alone.tolist() == [-math.inf] * 4
    nobody = meta_node_logsumexp(draw(4), draw(0), 0.5, torch.zeros(0).long())
    assert nobody.tolist() == [-math.inf] * 4
    found = meta_node_bound(one, torch.tensor([0]), 0.5, proxy=proxy, exclude=True)
    assert found == {"bound": 0.0, "mean_bound": 0.0}


def test_big_and_wide_numbers_agree_in_float32():
    z, labels = clustered(5, n=400, k=30, d=20)
    for proxy in ("node", "pair", "paper"):
        wide = meta_node_logsumexp(z, z, 0.05, labels, proxy=proxy)
        narrow = meta_node_logsumexp(z.float(), z.float(), 0.05, labels, proxy=proxy)
        assert torch.allclose(narrow.double(), wide, rtol=1e-5)


def test_bad_input():
    z, labels = draw(4), torch.tensor([0, 1, 1, 2])
    bad = {
        "proxy must be one of": {"proxy": "nodes"},
        r"labels must lie in \[0, 2\)": {"clusters": 2},
        "clusters must be at least 1": {"clusters": 0},
        "tau must be above 0": {"tau": -0.5},
        "one tau": {"proxy": "pair", "tau": torch.ones(4)},
        "second_order goes with": {"proxy": "paper", "second_order": True},
        "one label a row": {"assignment": labels[:3]},
        "at least 0": {"assignment": torch.full((4, 2), -1.0)},
        "finite shares": {"assignment": torch.full((4, 2), torch.inf)},
        r"shares must be \[4, K\]": {"assignment": torch.ones(3, 2)},
        "but clusters is 3": {"assignment": torch.ones(4, 2), "clusters": 3},
        "need query_assignment": {"z": draw(3), "within_cluster": False},
        "same clusters": {
            "assignment": torch.ones(4, 2),
            "proxy": "pair",
            "query_assignment": torch.ones(4, 3),
        },
        "rows of the same nodes": {"z": draw(3), "exclude": True},
        "of one width": {"z": draw(4, d=3)},
    }
    for match, change in bad.items():
        options = {"z": z, "keys": z, "tau": 0.5, "assignment": labels, **change}
        with pytest.raises(ValueError, match=match):
            meta_node_logsumexp(**options)
    with pytest.raises(TypeError, match="must hold labels"):
        meta_node_logsumexp(z, z, 0.5, labels > 0)
    with pytest.raises(TypeError, match="floating-point"):
        meta_node_logsumexp(z.long(), z.long(), 0.5, labels)
    with pytest.raises(ValueError, match="no bound"):
        meta_node_bound(z, labels, 0.5, proxy="paper")
