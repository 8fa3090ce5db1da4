"""An exponential moving average of a module."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from gcl.checks import check_fraction, shown


class EMA(nn.Module):
    """A frozen copy of a module that follows it slowly: `target <- m target + (1 - m) online`.

    Parameters are averaged, buffers (batch-norm statistics) are copied.

    Args:
        module: the online module; it is deep-copied, not kept.

    Example:
        >>> online = nn.Linear(2, 2)
        >>> target = EMA(online)
        >>> target.update(online, momentum=0.99)
        >>> any(p.requires_grad for p in target.parameters())
        False
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        if not isinstance(module, nn.Module):
            raise TypeError(f"EMA: expected a module, got {shown(module)}.")
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, online: nn.Module, momentum: float) -> None:
        """One step towards `online`.

        Args:
            online: a module with the parameters of the copied one.
            momentum: share of the old average that stays, in [0, 1].

        Raises:
            ValueError: momentum outside [0, 1].
        """
        check_fraction("EMA", momentum=momentum)
        for mine, theirs in zip(self.module.parameters(), online.parameters(), strict=True):
            mine.lerp_(theirs, 1 - momentum)
        for old, new in zip(self.module.buffers(), online.buffers(), strict=True):
            old.copy_(new)

    def __repr__(self) -> str:
        return f"EMA({type(self.module).__name__})"  # its parts are those of what it follows

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)
