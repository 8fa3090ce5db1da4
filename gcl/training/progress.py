"""What an epoch has gathered up to its last step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gcl.ops.tiles import Precision


class NonFiniteLossError(ArithmeticError):
    """The loss or its gradient became NaN or infinite; the message names step and likely cause."""


class Figures(NamedTuple):
    """What a step says of itself, perhaps not known to the host yet."""

    step: int
    loss: Tensor
    gradient: Tensor
    weight: Tensor | None  # the largest before the step, where the step does not wait


class Progress:
    """The losses of an epoch so far, what it cost, and the last learning rate.

    Attributes:
        steps: how many steps of the epoch are done.
        lr: of the last one.
    """

    def __init__(self, precision: Precision = "fp32"):
        self.precision: Precision = precision
        self.steps, self.lr = 0, math.nan
        self._losses, self._unread = list[float](), list[Figures]()
        self._before, self._started = 0.0, time.perf_counter()

    def begin(self) -> None:
        """From now on the time counts."""
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """What the epoch took so far, without breaks."""
        return self._before + time.perf_counter() - self._started

    @property
    def mean(self) -> float:
        """Of the losses that were read."""
        return sum(self._losses) / len(self._losses)

    @property
    def last(self) -> float:
        """The latest loss that was read."""
        return self._losses[-1]

    @property
    def unread(self) -> int:
        """Steps of which the device has not been asked."""
        return len(self._unread)

    def add(self, figures: Figures) -> None:
        """The loss of one more step, to be read later."""
        self._unread.append(figures)

    def read(self, method: torch.nn.Module, epoch: int) -> None:
        """The losses of the steps up to now, in one question to the device.

        Raises:
            NonFiniteLossError: a loss or a gradient is not finite; it names the first step.
        """
        if not self._unread:
            return
        figures = [f.double() for row in self._unread for f in row[1:] if f is not None]
        rows = torch.stack(figures).view(len(self._unread), -1).tolist()
        for (step, *_), (loss, gradient, *weight) in zip(self._unread, rows, strict=True):
            for what, value in (("loss", loss), ("gradient", gradient)):
                check_finite(what, value, method, self.precision, step, epoch, *weight)
        self._unread.clear()
        self._losses += [row[0] for row in rows]

    def clear(self) -> None:
        """For the next epoch."""
        self.steps, self._before = 0, 0.0
        self._losses.clear()

    def state_dict(self) -> dict[str, Any]:
        return {"losses": [*self._losses], "lr": self.lr, "seconds": self.seconds}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._losses, self.lr = [*saved["losses"]], saved["lr"]
        self.steps, self._before = len(self._losses), saved["seconds"]


def largest_weight(method: torch.nn.Module) -> Tensor:
    """The largest magnitude among the parameters."""
    return torch.nn.utils.get_total_norm(
        [p.detach() for p in method.parameters() if p.numel()], norm_type=math.inf
    )


def check_finite(
    what: str,
    value: float,
    method: torch.nn.Module,
    precision: Precision,
    step: int,
    epoch: int,
    largest: float | None = None,
) -> None:
    """Raises NonFiniteLossError where a figure of a step is not finite."""
    if math.isfinite(value):
        return
    if largest is None:
        largest = float(largest_weight(method))
    if not largest < 1e4:
        cause = f"weights have grown to {largest:.3g}: lower lr, or set clip=1"
    elif precision == "bf16":
        cause = "the weights are sound: try without precision='bf16'"
    else:
        cause = (
            "the weights are sound: look at the temperature (too small?), at embeddings that grow "
            "without bound, and at NaN edge attributes made by a view"
        )
    raise NonFiniteLossError(
        f"The {what} is {value} at step {step + 1} (epoch {epoch + 1}); {cause}."
    )
