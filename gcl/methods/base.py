"""What every method is: the one class of the contracts."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from gcl.typing import Graph, Transform


class Method(nn.Module, ABC):
    """A self-supervised objective with the parameters it trains.

    A method knows nothing of epochs, optimizers, devices, loggers or ranks, and stores no data.
    `loss` and `embed` are all a subclass must have; `gcl.testing.check_method` checks one.
    """

    whole_graph: Transform | None = None
    """What `prepare` applies, if anything."""

    graph_level = False
    """Whether the rows of `embed` are graphs, and a loss needs a batch of them."""

    def prepare(self, data: Graph) -> Graph:
        """What must see the whole graph, once before training; the input stays as it is."""
        return data if self.whole_graph is None else self.whole_graph(copy.copy(data))

    @abstractmethod
    def loss(self, data: Graph) -> Tensor:
        """One batch (or the whole graph) -> the scalar to minimise."""

    @abstractmethod
    def embed(self, data: Graph) -> Tensor:
        """The representation that is used downstream, `[n, d]`."""

    def after_step(self, step: int, total: int) -> None:
        """After each optimizer step: moving averages and schedules.

        Args:
            step: steps done, from 1.
            total: steps of the whole training.
        """

    def forward(self, data: Any) -> Tensor:
        """The loss, so that DistributedDataParallel and torch.compile work as on any module."""
        return self.loss(data)
