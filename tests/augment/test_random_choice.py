from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch_geometric.data import Data

from gcl.augment import EdgeDropping, FeatureDropout, RandomChoice


def mark(value: int) -> object:
    def transform(data: Data) -> Data:
        data.mark = value
        return data

    return transform


@pytest.mark.parametrize("p", [None, [0.1, 0.6, 0.3], [1, 0, 0]])
def test_frequencies(p: list[float] | None) -> None:
    choice = RandomChoice([mark(0), mark(1), mark(2)], p)
    data = Data(num_nodes=1)
    torch.manual_seed(0)
    drawn = [choice(data).mark for _ in range(1500)]
    for number, chance in enumerate(p or [1 / 3] * 3):
        spread = 4 * sqrt(1500 * chance * (1 - chance))
        assert abs(drawn.count(number) - 1500 * chance) <= spread
    assert "mark" not in data


def test_repr() -> None:
    choice = RandomChoice([EdgeDropping(0.2), FeatureDropout(0.1)], p=[0.5, 0.5])
    assert repr(choice) == (
        "RandomChoice([EdgeDropping(p=0.2), FeatureDropout(p=0.1)], p=[0.5, 0.5])"
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RandomChoice([])
    with pytest.raises(TypeError, match="callable"):
        RandomChoice([0.3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"one number per transform \(1\), got 2"):
        RandomChoice([mark(0)], p=[0.5, 0.5])
    for bad in ([0.5, 0.6], [1.5, -0.5], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="sum to 1"):
            RandomChoice([mark(0), mark(1)], p=bad)
