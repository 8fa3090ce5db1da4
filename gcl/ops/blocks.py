"""Questions about long lists, asked a block at a time, so that no answer needs room for a list."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 1 << 20


def blocks(length: int, size: int = BLOCK) -> Iterator[slice]:
    """Consecutive pieces of a list, together all of it.

    Example:
        >>> list(blocks(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def is_rising(ids: Tensor) -> bool:
    """Whether no number is below the one before it.

    Example:
        >>> is_rising(torch.tensor([0, 2, 2])), is_rising(torch.tensor([1, 0]))
        (True, False)
    """
    return all(
        bool((ids[at.start + 1 : at.stop + 1] >= ids[at][: len(ids) - 1 - at.start]).all())
        for at in blocks(len(ids))
    )


def equal_places(a: Tensor, b: Tensor) -> Tensor:
    """Where two lists hold the same, as `(a == b).nonzero().view(-1)`.

    Example:
        >>> equal_places(torch.tensor([3, 1, 2]), torch.tensor([3, 0, 2]))
        tensor([0, 2])
    """
    found = [(a[at] == b[at]).nonzero().view(-1) + at.start for at in blocks(len(a))]
    return torch.cat(found) if found else torch.empty(0, dtype=torch.long, device=a.device)


def count_bad_rows(values: Tensor) -> int:
    """Rows that hold NaN or infinity.

    Shape:
        values `[n, ...]`.

    Example:
        >>> count_bad_rows(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]))
        1
    """
    if not values.numel():
        return 0
    size = max(1, BLOCK * len(values) // values.numel())
    parts = (values[at] for at in blocks(len(values), size))
    return sum(int((~part.isfinite().reshape(len(part), -1).all(1)).sum()) for part in parts)
