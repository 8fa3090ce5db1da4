"""Sums and rows over ranks, and the gradients that DistributedDataParallel makes of them."""

import pytest
import torch

from gcl.ops.ranks import across_of, others, ranks
from tests.distributed.sums import called_off, sums_and_rows


def test_values_and_gradients(run):
    size = run.size
    lengths = tuple(range(1, size + 1))
    total = sum(lengths)
    values = [float(n) for n in lengths for _ in range(n)]
    shares = sum(lengths)  # of the parts: rank + 1
    start = 0
    for rank, found in enumerate(run(sums_and_rows)):
        stop = start + lengths[rank]
        assert found["lengths"] == found["again"] == lengths
        assert found["own"] == (start, stop, total)
        assert found["total"] == 2 * sum(n * n for n in lengths)
        assert found["rows"] == values
        weights = list(range(1, total + 1))
        dot = sum(w * v for w, v in zip(weights, values, strict=True))
        assert found["gathered"] == (dot, pytest.approx(weights[start:stop]))
        assert found["parts"] == (
            shares * dot,
            pytest.approx([shares * w for w in weights[start:stop]]),
        )
        assert found["totals"] == (
            shares * sum(values),
            pytest.approx([shares] * lengths[rank]),
        )
        starts = [sum(lengths[:r]) for r in range(size)]
        assert found["pairs"] == [
            [p for r, s in enumerate(starts) for p in (s, s + r)],
            [p for r, s in enumerate(starts) for p in (s + r, s)],
        ]
        assert found["flags"] == [i % 2 == 0 for n in lengths for i in range(n)]
        assert found["alone"] is None
        start = stop
    assert len({found["common"] for found in run(sums_and_rows)}) == 1


def test_a_meeting_that_is_called_off(run_two):
    first, second = run_two(called_off)
    assert first == ("rank 1 has failed", True)
    assert second is None


def test_nobody_is_asked_in_one_process():
    state = torch.get_rng_state()
    assert not others()
    assert ranks(torch.ones(3, 2)) is None
    assert torch.equal(torch.get_rng_state(), state)


def test_across_goes_with_the_forward_that_it_is_of():
    class Base:
        def forward(self):
            return 1

        def across(self, together):
            return 1

    class Other(Base):
        def forward(self):
            return 2

    class Both(Other):
        def across(self, together):
            return 2

    assert across_of(Base()) is not None
    assert across_of(Other()) is None
    assert across_of(Both())(None) == 2
    assert across_of(len) is None
