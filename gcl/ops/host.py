"""What the host knows of tensors on a device without asking, which would make it wait."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcl.ops.structure import remember


def number(tensor: Tensor) -> Any:
    """`tensor.item()`, asked once as long as the tensor is unchanged.

    Example:
        >>> step = torch.tensor(3)
        >>> number(step), number(step.fill_(4))
        (3, 4)
    """
    return remember(tensor, ("number",), tensor.item)


def set_number(tensor: Tensor, value: float) -> None:
    """Writes a number to a tensor, and lets `number` know it (as the tensor's type holds it)."""
    tensor.fill_(value)
    rounded = torch.tensor(value, dtype=tensor.dtype, device="cpu").item()
    remember(tensor, ("number",), lambda: rounded)


def all_finite(tensor: Tensor) -> bool:
    """Whether there is no NaN and no infinity, asked once as long as the tensor is unchanged."""
    return remember(tensor, ("all_finite",), lambda: bool(torch.isfinite(tensor).all()))
