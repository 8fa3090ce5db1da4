"""Diagnostics against double loops, scikit-learn, NumPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import gcl
from gcl.evaluate import diagnostics, geometry

N, D, TAU = 23, 5, 0.3
Y = [i % 3 for i in range(N)]
Y_TENSOR = torch.tensor(Y)
EDGES = [(i, (3 * i + 1) % N) for i in range(N)] + [(i, 0) for i in range(1, N)] + [(4, 4)]


def sample(n=N, width=D, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator, dtype=torch.double)


Z1 = sample()
Z2 = Z1 + 0.8 * sample(seed=1)


def unit(z):
    return [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in z.double().tolist()]


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def picked(n, anchors, seed=0):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:anchors].tolist()


def softmax_oracle(z1, z2, anchors, tau, intra):
    """The definitions, one anchor and one negative at a time."""
    a, b = unit(z1), None if z2 is None else unit(z2)
    found = {k: [] for k in ("perplexity", "positive_probability", "hard_share", "auc")}
    ranked = []
    for i in anchors:
        others = [j for j in range(len(a)) if j != i]
        negatives = [(dot(a[i], b[j]), j) for j in others] if b else []
        if intra or b is None:
            negatives += [(dot(a[i], a[j]), j) for j in others]
        powers = [math.exp(s / tau) for s, _ in negatives]
        p = [power / sum(powers) for power in powers]
        found["perplexity"].append(math.exp(-sum(v * math.log(v) for v in p)))
        if b:
            positive = dot(a[i], b[i])
            power = math.exp(positive / tau)
            found["positive_probability"].append(power / (power + sum(powers)))
            found["hard_share"].append(float(any(s > positive for s, _ in negatives)))
            truth = [1] + [0] * len(negatives)
            found["auc"].append(roc_auc_score(truth, [positive] + [s for s, _ in negatives]))
        ranked.append(sorted(negatives, reverse=True))
    values = {key: mean(v) for key, v in found.items() if v}
    values["hardness_top1"] = mean(r[0][0] for r in ranked)
    values["hardness_top10"] = mean(s for r in ranked for s, _ in r[:10])
    return values, ranked


@pytest.mark.parametrize(
    ("z2", "intra"), [(Z2, True), (Z2, False), (None, True)], ids=["intra", "inter", "one view"]
)
@pytest.mark.parametrize("anchors", [7, 100])
def test_softmax_and_ranks_equal_double_loops(z2, intra, anchors):
    found = diagnostics(Z1, z2, Y_TENSOR, tau=TAU, intra=intra, anchors=anchors, ks=(1, 4, 1000))
    chosen = picked(N, anchors)
    expected, ranked = softmax_oracle(Z1, z2, chosen, TAU, intra)
    prior = mean(sum(Y[j] == Y[i] for j in range(N) if j != i) / (N - 1) for i in chosen)
    for k in (1, 4):
        rate = mean(
            mean(float(Y[j] == Y[i]) for _, j in near[:k])
            for i, near in zip(chosen, ranked, strict=True)
        )
        expected[f"false_negative_rate@{k}"] = rate
        expected[f"false_negative_lift@{k}"] = rate / prior
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9), key
    assert "false_negative_rate@1000" not in found
    assert ("auc" in found, "gap" in found) == (z2 is not None, z2 is not None)


def test_positive_probability_is_that_of_infonce():
    loss = gcl.losses.InfoNCE(TAU, symmetric=False, reduction="none")(Z1, Z2)
    found = diagnostics(Z1, Z2, tau=torch.tensor(TAU))
    assert found["positive_probability"] == pytest.approx(float((-loss).exp().mean()), rel=1e-6)


def test_geometry_is_the_one_of_geometry():
    found, alone = diagnostics(Z1, Z2, anchors=9), geometry(Z1, Z2, max_nodes=9)
    assert {key: found[key] for key in alone} == dict(alone)
    pairs = torch.tensor(unit(Z2), dtype=torch.double)[picked(N, 9)]
    kernel = (-2 * torch.pdist(pairs) ** 2).exp()
    assert found["uniformity_z2"] == pytest.approx(float(kernel.mean().log()), rel=1e-9)


def test_labels_equal_double_loops():
    a, found = unit(Z1), diagnostics(Z1, y=Y_TENSOR)
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j and Y[i] == Y[j]]
    assert found["tolerance"] == pytest.approx(mean(dot(a[i], a[j]) for i, j in pairs), rel=1e-9)
    centres = [[mean(a[i][d] for i in range(N) if Y[i] == k) for d in range(D)] for k in range(3)]
    between = [dot(centres[k], centres[m]) for k in range(3) for m in range(3) if k != m]
    assert found["class_spread"] == pytest.approx(mean(between), rel=1e-9)
    assert found["class_spread_max"] == pytest.approx(max(between), rel=1e-9)
    distances = [math.dist(a[i], centres[Y[i]]) for i in range(N)]
    assert found["class_concentration"] == pytest.approx(mean(distances), rel=1e-9)


def test_norms_and_edges_equal_numpy():
    edges, anchors = torch.tensor(EDGES).T, picked(N, 6)
    found = diagnostics(Z1, edge_index=edges, anchors=6)
    norms = np.linalg.norm(Z1.numpy(), axis=1)
    degrees = np.bincount(np.array(EDGES)[:, 1], minlength=N)
    assert found["norm_mean"] == pytest.approx(norms.mean())
    assert found["norm_cv"] == pytest.approx(norms.std() / norms.mean())
    correlation = np.corrcoef(norms, np.log(1 + degrees))[0, 1]
    assert found["norm_degree_correlation"] == pytest.approx(correlation)
    a = unit(Z1)
    near = [(i, j) for i, j in EDGES if i in anchors and i != j]
    every = mean(dot(a[i], a[j]) for i in range(N) for j in range(N) if i != j)
    purity = mean(dot(a[i], a[j]) for i, j in near) - every
    assert found["neighbour_purity"] == pytest.approx(purity, rel=1e-9)
    squared = mean(math.dist(a[i], a[j]) ** 2 for i, j in near)
    assert found["neighbour_alignment"] == pytest.approx(squared, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
def test_gap_and_its_classifier_equal_scikit_learn(shift):
    z1, z2 = sample(400), sample(400, seed=1) + shift
    found = diagnostics(z1, z2)
    first, second = np.array(unit(z1)), np.array(unit(z2))
    assert found["gap"] == pytest.approx(np.linalg.norm(first.mean(0) - second.mean(0)))
    order = picked(400, 400)
    train, test = order[:200], order[200:]
    model = LogisticRegression().fit(np.r_[first[train], second[train]], [0] * 200 + [1] * 200)
    expected = model.score(np.r_[first[test], second[test]], [0] * 200 + [1] * 200)
    assert found["gap_accuracy"] == pytest.approx(expected, abs=0.01)
    if shift == 3.0:
        assert found["gap_accuracy"] > 0.9


def test_closed_forms_of_identity_rows():
    z, n, tau = torch.eye(12, 16), 12, 0.4
    found = diagnostics(z, z, torch.arange(n) % 2, tau=tau)
    power = math.exp(1 / tau)
    assert found["positive_probability"] == pytest.approx(power / (power + 2 * (n - 1)), rel=1e-6)
    assert found["perplexity"] == pytest.approx(2 * (n - 1), rel=1e-5)
    zeros = ("alignment", "hardness_top1", "hardness_top10", "hard_share", "tolerance", "gap")
    assert [found[key] for key in zeros] == pytest.approx([0] * 6, abs=1e-6)
    assert (found["auc"], found["gap_accuracy"], found["norm_mean"]) == (1.0, 0.5, 1.0)
    assert found["class_concentration"] == pytest.approx(math.sqrt(1 - 1 / 6))
    assert found["uniformity"] == pytest.approx(-4)


def test_equal_rows_are_ties_and_not_order():
    z = sample(1, 64, seed=3).float().expand(50, 64) * torch.linspace(0.1, 7, 50)[:, None]
    found = diagnostics(z, z.flip(0), torch.arange(50) % 2)
    assert (found["hard_share"], found["auc"]) == (0.0, 0.5)
    assert found["perplexity"] == pytest.approx(98, rel=1e-5)
    assert found["effective_rank"] == pytest.approx(1, abs=1e-3)
    assert found["tolerance"] == pytest.approx(1, abs=1e-5)


def test_zero_rows_and_what_does_not_exist():
    z = torch.zeros(4, 3)
    edges = torch.tensor([[0, 1], [0, 1]])  # self-loops alone: no neighbours
    found = diagnostics(z, z, torch.arange(4), edge_index=edges)  # no two nodes of one class
    assert all(math.isfinite(value) for value in found.values())
    assert found["norm_mean"] == found["false_negative_rate@1"] == found["rank"] == 0
    missing = {"norm_cv", "norm_degree_correlation", "tolerance", "false_negative_lift@1"}
    assert not {*missing, "neighbour_purity", "neighbour_alignment"} & set(found)
    constant = diagnostics(torch.eye(4), edge_index=edges)
    assert "norm_degree_correlation" not in constant
    assert "norm_degree_correlation" not in diagnostics(sample(), edge_index=edges[:, :0])
    two = diagnostics(torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
    assert two["perplexity"] == pytest.approx(2)


def test_blocks_precisions_and_sparse_rows_agree(monkeypatch):
    whole = diagnostics(Z1, Z2, Y_TENSOR, edge_index=torch.tensor(EDGES).T)
    single = diagnostics(Z1.float(), Z2.float(), Y, edge_index=torch.tensor(EDGES).T)
    assert dict(single) == pytest.approx(dict(whole), rel=1e-4)
    sparse = diagnostics(Z1.to_sparse(), Z2.to_sparse_csr(), Y, edge_index=torch.tensor(EDGES).T)
    assert dict(sparse) == pytest.approx(dict(whole))
    monkeypatch.setitem(diagnostics.__wrapped__.__globals__, "BLOCK", 5)
    blocked = diagnostics(Z1, Z2, Y_TENSOR, edge_index=torch.tensor(EDGES).T)
    assert dict(blocked) == pytest.approx(dict(whole))
    bf16 = diagnostics(Z1.bfloat16(), Z2.bfloat16().requires_grad_())
    assert bf16["perplexity"] == pytest.approx(whole["perplexity"], rel=0.02)


def test_sample_is_seeded_and_no_global_draw():
    before = torch.get_rng_state()
    first = diagnostics(Z1, Z2, anchors=6, seed=1)
    assert first == diagnostics(Z1, Z2, anchors=6, seed=1)
    assert first["perplexity"] != diagnostics(Z1, Z2, anchors=6, seed=2)["perplexity"]
    assert "6 anchors against all 23 nodes" in first.protocol
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((torch.ones(1, 2),), {}, "two nodes"),
        ((torch.eye(3), torch.eye(4)), {}, "same shape"),
        ((torch.eye(3), None, torch.arange(4)), {}, "expected 3 labels"),
        ((torch.eye(3),), {"tau": 0}, "tau must"),
        ((torch.eye(3),), {"anchors": 1}, "anchors must"),
        ((torch.eye(3),), {"ks": (0, 1)}, "ks must"),
        ((torch.eye(3),), {"edge_index": torch.tensor([[0], [3]])}, "from 0 to 3"),
        ((torch.eye(3),), {"edge_index": torch.ones(2, 1)}, "must be int64"),
        ((torch.eye(3) / 0,), {}, "NaN"),
    ],
)
def test_mistakes(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        diagnostics(*arguments, **options)


def test_nodes_without_a_label_do_not_count_among_classes():
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(40, 5, generator=generator), torch.arange(40) % 4
    known = torch.arange(40) % 3 > 0
    found = diagnostics(z, y=torch.where(known, y, -1), ks=[7])
    alone = diagnostics(z[known], y=y[known], ks=[1])
    for name in ("tolerance", "class_spread", "class_spread_max", "class_concentration"):
        assert found[name] == pytest.approx(alone[name])
    u = torch.nn.functional.normalize(z, dim=1)
    s = (u @ u.T).fill_diagonal_(-2)
    hits, pairs = 0, 0
    for i in known.nonzero().flatten().tolist():
        for j in s[i].topk(7).indices.tolist():
            pairs += int(known[j])
            hits += int(known[j] and y[i] == y[j])
    assert found["false_negative_rate@7"] == pytest.approx(hits / pairs)
