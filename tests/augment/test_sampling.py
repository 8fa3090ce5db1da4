from __future__ import annotations

from collections import Counter
from math import sqrt

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.augment.sampling import distinct


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), min_size=1, max_size=6))
def test_counts_ranges_and_no_repeats(ranges: list[tuple[int, float]]) -> None:
    size = [n for n, _ in ranges]
    count = [int(n * share) for n, share in ranges]
    group, number = distinct(torch.tensor(count), torch.tensor(size))
    assert Counter(group.tolist()) == Counter({g: c for g, c in enumerate(count) if c})
    assert all(0 <= x < size[g] for g, x in zip(group.tolist(), number.tolist(), strict=True))
    assert len(set(zip(group.tolist(), number.tolist(), strict=True))) == sum(count)


def test_uniform_in_small_and_large_ranges() -> None:
    # Many groups at once: 3 of 4 (shuffled) and 3 of 10 (drawn).
    for size in (4, 10):
        torch.manual_seed(0)
        _, number = distinct(torch.full((4000,), 3), torch.full((4000,), size))
        share = 3 / size
        spread = 4.5 * sqrt(4000 * share * (1 - share))
        assert all(
            abs(hits - 4000 * share) < spread for hits in torch.bincount(number, minlength=size)
        )


def test_all_of_a_large_range() -> None:
    _, number = distinct(torch.tensor([50_000]), torch.tensor([50_000]))
    assert torch.equal(number, torch.arange(50_000))


def test_ranges_that_could_not_be_stored() -> None:
    _, number = distinct(torch.tensor([5, 5]), torch.tensor([10**12, 10**15]))
    assert number.numel() == 10
    assert int(number.max()) > 10**12
