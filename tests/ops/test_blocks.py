"""Questions asked a block at a time, against the same question asked at once."""

import pytest
import torch

from gcl.ops import blocks


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    few = blocks.blocks
    monkeypatch.setattr(blocks, "blocks", lambda length, size=7: few(length, min(size, 7)))


@pytest.mark.parametrize("length", [0, 1, 2, 6, 7, 8, 13, 14, 15, 22])
def test_a_fall_at_any_place_is_seen(length):
    ids = torch.arange(length) // 2
    assert blocks.is_rising(ids)
    for at in range(1, length):
        fallen = ids.clone()
        fallen[at] = fallen[at - 1] - 1
        assert not blocks.is_rising(fallen)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 50])
def test_equal_places(length):
    generator = torch.Generator().manual_seed(length)
    a, b = torch.randint(3, (2, length), generator=generator)
    assert torch.equal(blocks.equal_places(a, b), (a == b).nonzero().view(-1))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (5, 0), (20,), (20, 3), (20, 2, 2)])
def test_bad_rows(shape):
    values = torch.zeros(shape)
    assert blocks.count_bad_rows(values) == 0
    if values.numel():
        values[3], values[17] = float("nan"), float("inf")
        assert blocks.count_bad_rows(values) == 2
