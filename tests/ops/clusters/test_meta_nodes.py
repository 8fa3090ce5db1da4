"""Sums over meta-nodes against plain loops over nodes, and the bounds against the true gaps."""

import math

import numpy as np
import pytest
import torch

import gcl.ops.clusters.node_sum
from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.streaming import streaming_logsumexp

LABELS = [0, 2, 0, 0, 4, 2, 0, 1, 1]  # cluster 3 is empty, 4 has one node


def draw(n, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def some_shares(n, k=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(n, k, generator=generator, dtype=torch.float64)
    shares[:, 1] = 0  # an empty cluster
    shares[0] = 0  # and a row in none
    return shares


def as_shares(assignment, k):
    given = np.asarray(assignment)
    return np.eye(k)[given] if given.ndim == 1 else given


def unit(z):
    return [row / np.linalg.norm(row) for row in z.detach().numpy()]


def mean_and_variance(values, weights):
    total = math.fsum(weights)
    mean = math.fsum(w * x for w, x in zip(weights, values, strict=True)) / total
    square = math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    return mean, square / total


def log_sum(terms):
    return math.log(math.fsum(terms)) if terms else -math.inf


def node_loop(z, keys, taus, q, mine, *, within, second, exclude):
    u, v = unit(z), unit(keys)
    out = []
    for i in range(len(u)):
        terms = []
        for b in range(q.shape[1]):
            pairs = [j for j in range(len(v)) if not (exclude and j == i) and q[j, b] > 0]
            factor = 1.0 if within else 1 - mine[i, b]
            if not pairs or factor <= 0:
                continue
            logits = [float(u[i] @ v[j]) / taus[i] for j in pairs]
            weights = [q[j, b] for j in pairs]
            mean, variance = mean_and_variance(logits, weights)
            terms.append(factor * math.fsum(weights) * math.exp(mean + second * variance / 2))
        out.append(log_sum(terms))
    return out


def pair_loop(z, keys, tau, q, mine, *, within, second, exclude):
    u, v = unit(z), unit(keys)
    of_cluster = []
    for a in range(mine.shape[1]):
        terms = []
        for b in range(q.shape[1]):
            if a == b and not within:
                continue
            pairs = [
                (i, j)
                for i in range(len(u))
                for j in range(len(v))
                if mine[i, a] * q[j, b] > 0 and not (exclude and i == j)
            ]
            if not pairs:
                continue
            weights = [mine[i, a] * q[j, b] for i, j in pairs]
            mean, variance = mean_and_variance(
                [float(u[i] @ v[j]) / tau for i, j in pairs], weights
            )
            size = math.fsum(weights) / math.fsum(mine[:, a])
            terms.append(size * math.exp(mean + second * variance / 2))
        of_cluster.append(log_sum(terms))
    out = []
    for share in mine:
        used = [(s, x) for s, x in zip(share, of_cluster, strict=True) if s > 0]
        total = math.fsum(share) or 1.0
        out.append(math.fsum(s * x for s, x in used) / total)
    return out


def paper_loop(z, keys, tau, q, mine, *, within):
    sums = [z.detach().numpy().T @ mine, keys.detach().numpy().T @ q]
    full = [[c for c in range(q.shape[1]) if share[:, c].sum() > 0] for share in (mine, q)]
    values = []
    for k in full[0]:
        terms = []
        for b in full[1]:
            a, c = sums[0][:, k], sums[1][:, b]
            cosine = 0.0 if k == b else a @ c / np.linalg.norm(a) / np.linalg.norm(c)
            if within or k != b:
                terms.append(math.exp(cosine / tau))
        values.append(log_sum(terms))
    return [math.fsum(values) / len(values)] * len(z)


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
@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("normalize", [True, False])
def test_blocks_of_rows_equal_one_block(monkeypatch, kind, exclude, normalize):
    n = 150
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(6, (n,), generator=generator)
    given = labels if kind == "labels" else some_shares(n, 6)
    inputs = [draw(n).requires_grad_(), draw(n, seed=1).requires_grad_()]
    inputs.append(torch.linspace(0.3, 1.0, n, dtype=torch.float64, requires_grad=True))

    def run():
        value = meta_node_logsumexp(
            *inputs, given, exclude=exclude, within_cluster=False, normalize=normalize
        )
        return value, torch.autograd.grad(value.square().sum(), inputs)

    whole, slopes = run()
    monkeypatch.setattr(gcl.ops.clusters.node_sum, "BLOCK", 100)  # 16 rows
    parts, others = run()
    assert torch.allclose(parts, whole, rtol=1e-12)
    for mine, other in zip(slopes, others, strict=True):
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-12)


def clustered(seed, n=60, k=6, spread=0.3, d=5):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(k, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(k, (n,), generator=generator)
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * noise, labels


def diameters(z, labels):
    u = torch.nn.functional.normalize(z)
    return {
        int(c): float(torch.cdist(u[labels == c], u[labels == c]).max()) for c in labels.unique()
    }


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


def test_no_second_derivative():
    z, labels = clustered(0)
    z.requires_grad_()
    value = meta_node_logsumexp(z, z, 0.5, labels)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(value.sum(), z, create_graph=True)


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


def test_a_pair_bound_needs_labels():
    z, shares = torch.randn(6, 3), torch.full((6, 2), 0.5)
    with pytest.raises(ValueError, match="with shares 'pair' has no bound"):
        meta_node_bound(z, shares, 0.5, proxy="pair")


@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_many_equal_rows_keep_their_digits(proxy):
    z = torch.full((300_000, 4), 0.5)
    labels = torch.arange(len(z)) % 3
    value = meta_node_logsumexp(z, z, 0.1, labels, proxy=proxy)
    exact = math.log(len(z)) + 10  # all cosines are 1
    assert float((value - exact).abs().max()) < 2e-4
