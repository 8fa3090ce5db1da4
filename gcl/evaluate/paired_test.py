"""Whether one method beats another: the corrected resampled t-test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import t as student

from gcl.checks import check_real
from gcl.evaluate.result import Result

LARGEST = 1e100  # the squares of what is smaller are finite


def paired_test(a: Any, b: Any, *, ratio: float) -> Result:
    r"""Difference of two methods measured on the same splits, and how surely it is none.

    With the differences d_i = a_i - b_i of n pairs, their mean m and their variance
    s^2 = sum_i (d_i - m)^2 / (n - 1):

        t = m / sqrt( (1/n + ratio) s^2 ),   n - 1 degrees of freedom,

    where ratio = n_test / n_train. The usual t-test has 1/n alone, as if the pairs were
    independent. Splits of one graph share their nodes, so that more of them never make the estimate
    as sure as new graphs would: the second term does not shrink with n.

    Several trainings on each of several splits give n = seeds x splits pairs, each of one seed and
    one split; numbers of one seed share a training as those of one split share nodes, which the
    second term covers as long as ratio >= 1 / seeds. With one fixed split and a pair a seed nothing
    is resampled: ratio = 0 is the usual paired t-test, and speaks of this split only.

    The correction was made for training parts larger than test parts. With few labels it is very
    careful: 20 a class on Cora have a ratio of 17, and a difference must be eight times s for p to
    be below 0.05. So a small p is to be believed, and a large one says little.

    Args:
        a: Accuracies of one method, `[n]` or `[seeds, splits]`.
        b: Of the other, for the same seeds and splits in the same order.
        ratio: Test nodes over training nodes, at least 0; see `Splits.ratio`.

    Returns:
        `difference` m, `deviation` s, `low` and `high`, the 95 % confidence interval of the
        difference, `t`, `p` (two-sided) and `n`. Without any deviation p is 1 or 0.

    Raises:
        ValueError: numbers that do not pair, fewer than two, or not finite; a ratio below 0.

    Reference:
        Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003; for
        several runs of cross-validation Bouckaert and Frank, PAKDD 2004.

    Example:
        >>> found = paired_test([0.82, 0.83, 0.81], [0.80, 0.80, 0.80], ratio=1 / 9)
        >>> round(found["difference"], 4), round(found["p"], 4)
        (0.02, 0.0955)
    """
    first, second = _numbers("a", a), _numbers("b", b)
    if first.shape != second.shape:
        raise ValueError(
            f"paired_test: a and b must be of the same seeds and splits, got {list(first.shape)} "
            f"and {list(second.shape)} numbers."
        )
    check_real("paired_test", ratio=ratio)
    if not 0 <= ratio < math.inf:
        raise ValueError(
            f"paired_test: ratio must be test nodes over training nodes, at least 0, got {ratio}."
        )
    d = (first - second).ravel()
    n, mean, deviation = len(d), float(d.mean()), float(d.std(ddof=1))
    # Equal differences leave rounding errors only.
    if deviation <= 1e-12 * max(1.0, abs(mean)):
        deviation = 0.0
    error = math.sqrt(1 / n + ratio) * deviation
    if error:
        t = mean / error
    else:
        t = math.copysign(math.inf, mean) if abs(mean) > 1e-12 else 0.0
    reach = float(student.ppf(0.975, n - 1)) * error
    values = {
        "difference": mean,
        "deviation": deviation,
        "low": mean - reach,
        "high": mean + reach,
        "t": t,
        "p": float(2 * student.sf(abs(t), n - 1)),
        "n": float(n),
    }
    line = f"corrected resampled t-test: {n} pairs, test/train {ratio:g}"
    return Result(values, line, {"difference": d.tolist()})


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"paired_test: {name} must be numbers [n] or [seeds, splits], such as "
            'result.per_run["accuracy"].'
        ) from error
    if found.ndim not in (1, 2) or found.size < 2:
        raise ValueError(
            f"paired_test: {name} must be at least two numbers [n] or [seeds, splits], got shape "
            f"{list(found.shape)}."
        )
    if not (np.abs(found) < LARGEST).all():
        raise ValueError(
            f"paired_test: {name} holds NaN, infinity or numbers of {LARGEST:g} and more; leave "
            "failed runs out."
        )
    return found
