"""What every softmax loss is given: positives and sums over negatives, by a double loop."""

import math

import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from gcl.losses.negatives import HardestNegatives
from gcl.losses.softmax import SoftmaxLoss
from gcl.losses.weights import rank_one
from gcl.ops import tiling

N = 7


class Recorder(SoftmaxLoss):
    """Keeps what it is asked to combine; only rows with an even number count."""

    def combine_logits(self, similarity, negative, tau):
        self.seen = [*getattr(self, "seen", []), (similarity, negative, tau)]
        return similarity - negative, torch.arange(len(similarity)) % 2 == 0


def views(n=N, d=4):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def compare(a, b, similarity):
    a, b = a.tolist(), b.tolist()
    if similarity == "neg_sq_euclidean":
        return -(math.dist(a, b) ** 2)
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / (math.hypot(*a) * math.hypot(*b)) if similarity == "cosine" else dot


def negatives_by_loops(q, k, similarity, tau, intra, weight):
    rows = []
    for i in range(N):
        terms = [
            compare(q[i], other[j], similarity) / tau + weight[i] + weight[j]
            for other in ((k, q) if intra else (k,))
            for j in range(N)
            if j != i
        ]
        rows.append(float(logsumexp(terms)))
    return rows


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "neg_sq_euclidean"])
def test_positives_and_negatives(implementation, similarity, intra, symmetric, weighted):
    z1, z2 = views()
    weight = torch.linspace(-1, 1, N, dtype=torch.float64) * weighted
    loss = Recorder(
        0.6, intra=intra, symmetric=symmetric, similarity=similarity,
        log_weight=rank_one(weight) if weighted else None,
    )  # fmt: skip
    loss(z1, z2)
    ways = [(z1, z2), (z2, z1)][: 2 if symmetric else 1]
    assert len(loss.seen) == len(ways)
    for (q, k), (positive, negative, tau) in zip(ways, loss.seen, strict=True):
        expected = [compare(a, b, similarity) for a, b in zip(q, k, strict=True)]
        assert positive.tolist() == pytest.approx(expected, rel=1e-9)
        expected = negatives_by_loops(q, k, similarity, 0.6, intra, weight.tolist())
        assert negative.tolist() == pytest.approx(expected, rel=1e-9)
        assert tau == 0.6


def test_the_mean_over_anchors_that_count():
    z1, z2 = views()
    loss = Recorder(0.6)
    value = loss(z1, z2)
    (s1, n1, _), (s2, n2, _) = loss.seen
    sides = [[float(s[i] - n[i]) for i in range(0, N, 2)] for s, n in ((s1, n1), (s2, n2))]
    assert value.item() == pytest.approx(sum(map(math.fsum, sides)) / 8, rel=1e-12)
    rows = Recorder(0.6, reduction="none")(z1, z2)
    assert rows[::2].tolist() == pytest.approx(
        [(a + b) / 2 for a, b in zip(*sides, strict=True)], rel=1e-12
    )
    assert not rows[1::2].any()
    nobody = loss.reduce([(torch.ones(3), torch.zeros(3, dtype=torch.bool))])
    assert nobody.item() == 0


def test_an_anchor_that_counts_in_one_direction_only():
    one, other = torch.tensor([1.0, 2.0, math.inf]), torch.tensor([5.0, 7.0, 9.0])
    sides = [
        (one, torch.tensor([True, False, False])),
        (other, torch.tensor([True, True, False])),
    ]
    assert Recorder(0.6, reduction="none").reduce(sides).tolist() == [3, 7, 0]
    assert Recorder(0.6).reduce(sides).item() == (1 + (5 + 7) / 2) / 2


def test_a_temperature_of_the_positives():
    class Mean(nn.Module):
        def forward(self, similarity):
            return similarity.mean().exp()

    z1, z2 = views()
    loss = Recorder(Mean(), intra=False)
    loss(z1, z2)
    cosines = [compare(a, b, "cosine") for a, b in zip(z1, z2, strict=True)]
    tau = math.exp(math.fsum(cosines) / N)
    expected = negatives_by_loops(z1, z2, "cosine", tau, False, [0.0] * N)
    assert loss.seen[0][1].tolist() == pytest.approx(expected, rel=1e-9)


def test_chosen_negatives_and_the_own_pair():
    z1, z2 = views()
    everyone = Recorder(0.6, intra=False, negatives=lambda q, k, tau: q.sum(1) / tau)
    everyone(z1, z2)
    unit = z1 / z1.norm(dim=1, keepdim=True)
    torch.testing.assert_close(everyone.seen[0][1], unit.sum(1) / 0.6)
    few = Recorder(0.6, negatives=HardestNegatives(2))
    with pytest.raises(ValueError, match="goes with the node's own pair as positive"):
        few.denominators(unit, unit, 0.6, exclude=False)


def test_one_row_warns_and_is_finite():
    one = torch.ones(1, 3)
    with pytest.warns(UserWarning, match="Recorder: one row has no negatives, so the loss is 0"):
        Recorder(0.5).rows(one, one)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tau": "0.5"}, TypeError, "Recorder: tau must be a number, a scalar nn.Parameter or a"),
        ({"tau": torch.ones(2)}, TypeError, "tau must be a number, a scalar"),
        ({"tau": 0.0}, ValueError, "Recorder: tau must be a number above 0, got 0"),
        ({"similarity": "euclid"}, ValueError, "similarity must be one of 'cosine', 'dot', 'neg_"),
        ({"reduction": "sum"}, ValueError, "reduction must be one of 'mean', 'none', got 'sum'"),
        ({"negatives": 5}, TypeError, "Recorder: negatives must be callable, got 5"),
        ({"log_weight": max}, TypeError, r"wrap a function of two ranges: LogWeight\(function\)"),
        (
            {"negatives": HardestNegatives(2), "log_weight": rank_one(torch.zeros(N))},
            ValueError,
            "give negatives or log_weight, not both",
        ),
    ],
)
def test_options_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        Recorder(**{"tau": 0.5, **options})


def test_options_changed_between_steps_are_checked_again():
    z1, z2 = views()
    loss = Recorder(0.5, negatives=HardestNegatives(2))
    loss.log_weight = rank_one(torch.zeros(N))
    with pytest.raises(ValueError, match="not both"):
        loss(z1, z2)
    apart = Recorder(0.5, similarity="neg_sq_euclidean")
    with tiling(precision="bf16"), pytest.raises(ValueError, match="needs precision 'fp32'"):
        apart(z1, z2)


def test_a_line_says_what_differs():
    assert repr(Recorder(0.25, similarity="dot")).startswith(
        "Recorder(tau=0.25, intra=True, symmetric=True, similarity='dot'"
    )
    assert "tau=0.5" in repr(Recorder(nn.Parameter(torch.tensor(0.5))))
