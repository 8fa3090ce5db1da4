"""The corrected t-test against SciPy, the formula by hand, and draws under no difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_rel

from gcl.evaluate import linear_probe, paired_test, random_splits

A = [0.81, 0.79, 0.84, 0.80, 0.83]
B = [0.78, 0.80, 0.80, 0.79, 0.81]


def test_without_correction_it_is_the_paired_test_of_scipy():
    found, theirs = paired_test(A, B, ratio=0), ttest_rel(A, B)
    assert found["t"] == pytest.approx(theirs.statistic)
    assert found["p"] == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))


def test_the_formula_by_hand():
    d = [0.03, -0.01, 0.04, 0.01, 0.02]
    mean = sum(d) / 5
    variance = sum((x - mean) ** 2 for x in d) / 4
    t = mean / math.sqrt((1 / 5 + 0.25) * variance)
    found = paired_test(A, B, ratio=0.25)
    assert found["difference"] == pytest.approx(mean)
    assert found["deviation"] == pytest.approx(math.sqrt(variance))
    assert found["t"] == pytest.approx(t)
    assert found["p"] == pytest.approx(2 * (1 - student.cdf(t, 4)))
    assert found["n"] == 5
    assert found.per_run["difference"] == pytest.approx(d)
    other = paired_test(B, A, ratio=0.25)
    assert (other["t"], other["low"]) == pytest.approx((-t, -found["high"]))
    # The interval ends where p is 0.05.
    edge = paired_test(np.array(A) - found["low"], B, ratio=0.25)
    assert edge["p"] == pytest.approx(0.05)


def test_seeds_and_splits_are_pairs_each():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 4))
    assert paired_test(a, b, ratio=1) == paired_test(a.ravel(), b.ravel(), ratio=1)
    assert paired_test(a, b, ratio=1)["n"] == 12


def test_differences_that_are_all_equal():
    same = paired_test(A, A, ratio=1)
    assert (same["difference"], same["t"], same["p"]) == (0, 0, 1)
    above = paired_test(np.array(A) + 0.1, A, ratio=1)
    assert (above["t"], above["p"]) == (math.inf, 0)
    assert (above["low"], above["high"]) == pytest.approx((0.1, 0.1))


def test_methods_that_are_equal_are_rarely_told_apart():
    # Two halves of the same columns: neither is better, on any sample of nodes.
    wrong, uncorrected = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = np.arange(120) % 2
        z = rng.normal(size=(120, 8)) + 0.5 * y[:, None]
        splits = random_splits(120, 0.5, 0.1, num_splits=10, seed=seed)
        runs = [
            linear_probe(z[:, half], y, splits=splits, Cs=[1.0]).per_run["accuracy"]
            for half in (slice(0, 4), slice(4, 8))
        ]
        wrong += paired_test(*runs, ratio=splits.ratio)["p"] < 0.05
        uncorrected += paired_test(*runs, ratio=0)["p"] < 0.05
    assert wrong <= 7  # 0.05 of 40 is 2; uncorrected it is near 20
    assert uncorrected > 2 * wrong


@pytest.mark.parametrize(
    ("a", "b", "ratio", "message"),
    [
        (A, B[:4], 1, r"a and b must be of the same seeds and splits, got \[5\] and \[4\]"),
        ([0.8], [0.7], 1, "a must be at least two numbers"),
        (A, [*B[:4], math.nan], 1, r"b holds NaN, infinity or numbers of 1e\+100"),
        ("many", B, 1, "a must be numbers"),
        (A, B, -1, "ratio must be test nodes over training nodes"),
        (A, B, math.inf, "ratio"),
    ],
)
def test_mistakes(a, b, ratio, message):
    with pytest.raises(ValueError, match=f"paired_test: .*{message}|paired_test: {message}"):
        paired_test(a, b, ratio=ratio)
