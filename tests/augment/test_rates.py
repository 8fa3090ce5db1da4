from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.augment.rates import adaptive_rates


def by_loop(phi: list[float], p: float, p_max: float) -> list[float]:
    top, mean = max(phi), sum(phi) / len(phi)
    if min(phi) == top:
        return [min(p, p_max)] * len(phi)
    return [min(max(p * (top - value) / (top - mean), 0.0), p_max) for value in phi]


numbers = st.lists(st.sampled_from([-3.0, -0.25, 0.0, 0.5, 2.0, 7.0]), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None, database=None)
@given(numbers, st.sampled_from([0.1, 0.4, 1.0]), st.sampled_from([0.0, 0.7, 1.0]))
def test_rates_are_the_formula(phi: list[float], p: float, p_max: float) -> None:
    rates = adaptive_rates(torch.tensor(phi), p, p_max)
    assert rates.tolist() == pytest.approx(by_loop(phi, p, p_max))


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(numbers, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_groups_have_rates_of_their_own(groups: list[list[float]], random) -> None:  # type: ignore[no-untyped-def]
    expected = [
        (value, number, rate)
        for number, phi in enumerate(groups)
        for value, rate in zip(phi, by_loop(phi, 0.3, 0.7), strict=True)
    ]
    random.shuffle(expected)
    phi, group, rates = zip(*expected, strict=True)
    found = adaptive_rates(torch.tensor(phi), 0.3, 0.7, torch.tensor(group), len(groups))
    assert found.tolist() == pytest.approx(list(rates))


def test_equal_importances_whose_mean_is_rounded() -> None:
    phi = torch.full((10_007,), 0.1)
    assert (adaptive_rates(phi, 0.3, 0.7) == 0.3).all()


def test_no_elements() -> None:
    assert adaptive_rates(torch.empty(0), 0.3, 0.7).shape == (0,)
